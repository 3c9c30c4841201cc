import { deepEqual, equal, match } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { openStack, type Stack } from '../../infra/native/open-stack.ts'
import { pickFreePorts } from '../../infra/native/ports.ts'
import { topics } from '../saga/events.ts'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import { KafkaConnection } from './kafka.ts'

const program = fileURLToPath(new URL('create-topics.ts', import.meta.url))

interface Outcome {
  readonly code: number
  readonly said: string
}

const createTopics = (environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { env: { ...process.env, ...environment } },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, said: stdout + stderr }),
    )
  })

describe('the command that creates the topics', function () {
  this.timeout(60_000)

  // A Kafka of its own: in that of the other tests the topics are there already.
  let stack: Stack
  let environment: NodeJS.ProcessEnv
  /** It looks for a while, and meanwhile the other's Kafka starts. */
  let away: Promise<Outcome>
  before(async () => {
    away = createTopics({ KAFKA_BROKERS: '127.0.0.1:9' })
    stack = await openStack({ ports: await pickFreePorts(), only: ['kafka'] })
    await stack.allReady
    environment = { KAFKA_BROKERS: stack.urls.kafkaBrokers, KAFKA_TOPIC_PARTITIONS: '3' }
  })
  after(() => stack.down())

  it('says what is missing, creates that, and has nothing to do the next time', async () => {
    const names = [...topics, 'dead-letters'].join(', ')
    deepEqual(await createTopics(environment, '--dry-run'), { code: 1, said: `Missing: ${names}.\n` })
    deepEqual(await createTopics(environment), {
      code: 0,
      said: `Created with 3 partitions, replication factor 1: ${names}.\n`,
    })
    deepEqual(await createTopics(environment), { code: 0, said: `All are there: ${names}.\n` })

    const { log } = createRecordingLogger()
    const brokers = [stack.urls.kafkaBrokers]
    const admin = new KafkaConnection({ brokers, clientId: 'tests' }, log).client.admin()
    await admin.connect()
    const { topics: described } = await admin.fetchTopicMetadata({ topics: [...topics] })
    await admin.disconnect()
    for (const { partitions } of described) equal(partitions.length, 3)
  })

  it('says where it looked for a Kafka that is away, and what it did not understand', async () => {
    const { code, said } = await away
    equal(code, 3)
    match(said, /^Kafka does not answer at 127\.0\.0\.1:9: .*KAFKA_BROKERS says where it is\.$/m)
    const misspelt = await createTopics({}, '--dryrun')
    equal(misspelt.code, 2)
    match(misspelt.said, /^Unknown option '--dryrun'/)
  })
})
