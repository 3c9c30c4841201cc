/**
 * A consumer in a process of its own, to be frozen, for kafkajs-failures.live.test.ts. On standard output it notes
 * what it does, one line each, and its handler waits at a message `wait` until there is something on standard input.
 * Its argument is its configuration in JSON.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import { KafkaConnection } from './kafka.ts'
import type { KafkaTimings } from './timings.ts'

export interface ConsumerForTests {
  readonly brokers: readonly string[]
  readonly groupId: string
  readonly topic: string
  readonly timings: Partial<KafkaTimings>
}

const { brokers, groupId, topic, timings } = JSON.parse(process.argv[2] ?? '') as ConsumerForTests
const note = (what: string): void => void writeSync(1, `${what}\n`)

const { log, lines } = createRecordingLogger()
const consumer = await new KafkaConnection({ brokers, clientId: 'frozen', timings }, log).startConsumer({
  groupId,
  topics: [topic],
  offsetCommitIntervalMillis: 20,
  onFatal: (error) => note(`fatal ${error.message}`),
  handle: async ({ partition, offset, value }) => {
    note(`began ${partition} ${offset} ${String(value)}`)
    if (String(value) === 'wait') await once(process.stdin, 'data')
    note(`handled ${partition} ${offset} ${String(value)}`)
  },
})

let joins = 0
setInterval(() => {
  const joined = lines.filter(({ msg }) => msg.includes('has joined the group')).length
  for (; joins < joined; joins++) note('joined')
}, 20)
note(consumer.isReady() ? 'ready' : 'started')
