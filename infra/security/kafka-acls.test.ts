import { deepEqual, equal, match } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { commandOf, grants } from './kafka-acls.ts'

const ofServices = grants.filter(({ user }) => user !== 'dead-letters')

const named = (wanted: string, from = ofServices) =>
  Object.fromEntries(
    from.filter(({ operation }) => operation === wanted).map(({ user, topics }) => [user, topics.join(' ')]),
  )

describe('the ACLs on Kafka', () => {
  it('let a service read what it subscribes to, in its own group only', () => {
    deepEqual(named('Read'), {
      users: 'checkouts orders',
      orders: 'users payments',
      payments: 'checkouts orders',
      checkout: 'checkouts users orders',
    })
    for (const { user, operation, group } of ofServices) {
      equal(group, operation === 'Read' ? `sagascope-${user}` : undefined)
    }
  })

  it('let a service write its own topic and dead letters, and the gateway requests only', () => {
    deepEqual(named('Write'), {
      gateway: 'checkouts',
      users: 'users dead-letters',
      orders: 'orders dead-letters',
      payments: 'payments dead-letters',
      checkout: 'checkouts dead-letters',
    })
  })

  it('let everybody see which topics there are, and nobody make, change or delete one', () => {
    const all = 'checkouts users orders payments dead-letters'
    deepEqual(new Set(Object.values(named('Describe', [...grants]))), new Set([all]))
    const onTopics = grants.filter(({ topics }) => topics.length > 0)
    deepEqual(new Set(onTopics.map(({ operation }) => operation)), new Set(['Describe', 'Read', 'Write']))
  })

  it('are the table that infra/security/README.md shows', () => {
    const rows = grants
      .filter(({ operation }) => operation !== 'Describe')
      .map(({ user, operation, topics, group }) =>
        [user, operation, topics.join(', '), group ?? ''].map((cell) => cell.trim()).join('|'),
      )
    const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8').replaceAll('\\*', '*')
    const shown = readme
      .split('\n')
      .filter((line) => /\| (Read|Write|Delete) /.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim())
          .join('|'),
      )
    deepEqual(shown, rows)
  })

  it('are printed as commands that Kafka’s own tool understands', () => {
    const read = grants.find(({ user, operation }) => user === 'users' && operation === 'Read')
    equal(
      read && commandOf(read),
      'kafka-acls.sh --bootstrap-server "$KAFKA_BROKERS" --command-config admin.properties ' +
        '--add --allow-principal User:users --operation Read --topic checkouts --topic orders --group sagascope-users',
    )
    const prefixed = grants.find(({ operation }) => operation === 'Delete')
    match(
      prefixed ? commandOf(prefixed) : '',
      / --group sagascope-reading- --resource-pattern-type prefixed$/,
    )
  })
})
