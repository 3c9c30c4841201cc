/**
 * What each service may do on Kafka, and no more: worked out from the flow table.
 *
 *   node infra/security/kafka-acls.ts        prints the kafka-acls commands, to be read and run by whoever may
 *
 * Topics are made ahead by that person too: with `Describe` on all of them a service finds that none is missing.
 */
import { consumerGroupOf } from '../../consumers/runtime/service.ts'
import type { Service, Topic } from '../../shared/saga/events.ts'
import { services, topicOf, topics } from '../../shared/saga/events.ts'
import { producedBy, subscriptionsOf } from '../../shared/saga/flow.ts'
import { deadLetterTopic } from '../../shared/kafka/middleware/dead-letter.ts'

export interface Grant {
  /** The user's name is the service's, or that of a tool. */
  readonly user: Service | 'gateway' | 'dead-letters'
  readonly operation: 'Describe' | 'Read' | 'Write' | 'Delete'
  readonly topics: readonly string[]
  /** Ends with `*` where it is a beginning. */
  readonly group?: string
}

/** See shared/kafka/read-topic.ts. */
const readingGroups = 'sagascope-reading-*'

const all = [...topics, deadLetterTopic]

export const grants: readonly Grant[] = [
  { user: 'gateway', operation: 'Describe', topics: all },
  { user: 'gateway', operation: 'Write', topics: [topicOf.CheckoutRequested] },
  ...services.flatMap((user): Grant[] => [
    { user, operation: 'Describe', topics: all },
    { user, operation: 'Read', topics: subscriptionsOf(user), group: consumerGroupOf(user) },
    { user, operation: 'Write', topics: [...writtenBy(user), deadLetterTopic] },
  ]),
  // Whoever runs `npm run dead-letters`: it reads in a group of its own each time, and removes that.
  { user: 'dead-letters', operation: 'Describe', topics: all },
  { user: 'dead-letters', operation: 'Read', topics: [deadLetterTopic] },
  { user: 'dead-letters', operation: 'Write', topics: all },
  { user: 'dead-letters', operation: 'Read', topics: [], group: readingGroups },
  { user: 'dead-letters', operation: 'Delete', topics: [], group: readingGroups },
]

function writtenBy(service: Service): Topic[] {
  const written = new Set([...producedBy(service)].map((type) => topicOf[type]))
  return topics.filter((topic) => written.has(topic))
}

/** With the scripts of Kafka's distribution; admin.properties says how an administrator connects. */
export const commandOf = ({ user, operation, topics: on, group }: Grant): string =>
  [
    'kafka-acls.sh --bootstrap-server "$KAFKA_BROKERS" --command-config admin.properties',
    `--add --allow-principal User:${user} --operation ${operation}`,
    ...on.map((topic) => `--topic ${topic}`),
    ...(group === undefined ? [] : [`--group ${group.replace(/\*$/, '')}`]),
    ...(group?.endsWith('*') ? ['--resource-pattern-type prefixed'] : []),
  ].join(' ')

if (import.meta.main) console.log(grants.map(commandOf).join('\n'))
