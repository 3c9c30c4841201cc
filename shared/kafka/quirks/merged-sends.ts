/**
 * kafkajs 2.2.4 makes a request of each send. Here sends that wait for one under way go together, without linger. This
 * sits below the instrumentation, which wraps `send` and `sendBatch`, so that each message keeps its own span and its
 * own `traceparent`.
 *
 * Must be loaded before kafkajs: its producer keeps the function that is replaced.
 */
import type { Message, RecordMetadata, TopicMessages } from 'kafkajs'
import { Coalescer } from '../../process/coalescer.ts'
import { failpoint } from '../../process/failpoints.ts'
import { replaceExports } from './replace-exports.ts'

interface Request {
  readonly acks: number
  readonly timeout: number | undefined
  readonly compression: number | undefined
  readonly topicMessages: readonly TopicMessages[]
}

type SendMessages = (request: Request) => Promise<RecordMetadata[]>
type CreateSendMessages = (options: {
  readonly eosManager: { isTransactional(): boolean; getProducerId(): string | number }
}) => SendMessages

const requestsUnderWay = 1
const sendsPerRequest = 500
/** All of it may be for one partition, and a broker takes a mebibyte of each unless told otherwise. */
const bytesPerRequest = 512 * 1_024
const bytesOfMessageOverhead = 100

const create = replaceExports<CreateSendMessages>(
  { id: 'kafkajs/src/producer/sendMessages', keptBy: 'kafkajs/src/producer/messageProducer' },
  createMerging,
)

function createMerging(options: Parameters<CreateSendMessages>[0]): SendMessages {
  const send = create(options)
  const requests = new Coalescer<Request, RecordMetadata[]>(
    {
      width: requestsUnderWay,
      maxItems: sendsPerRequest,
      maxBytes: bytesPerRequest,
      bytesOf: bytesOfRequest,
      groupOf: ({ acks, timeout, compression }) => `${acks}/${timeout}/${compression}`,
    },
    (batch) => sendTogether(send, batch),
  )
  // A transaction's messages are its own, and an idempotent producer numbers them as it is told.
  const isPlain = ({ eosManager }: typeof options): boolean =>
    !eosManager.isTransactional() && Number(eosManager.getProducerId()) < 0
  return (request) => (isPlain(options) ? requests.add(request) : send(request))
}

async function sendTogether(
  send: SendMessages,
  batch: readonly Request[],
): Promise<PromiseSettledResult<RecordMetadata[]>[]> {
  const [first] = batch
  if (!first) return []
  try {
    const value = await send(batch.length === 1 ? first : { ...first, topicMessages: merged(batch) })
    failpoint('send-acknowledged')
    return batch.map(() => ({ status: 'fulfilled', value }))
  } catch (error) {
    // One that the broker refuses, for its size for instance, must not fail the others.
    if (batch.length === 1 || (error as { retriable?: boolean }).retriable !== false || isExhausted(error))
      throw error
    const results: PromiseSettledResult<RecordMetadata[]>[] = []
    for (const request of batch) results.push(...(await Promise.allSettled([send(request)])))
    return results
  }
}

/** kafkajs says `retriable: false` also when it has tried often enough: then none of them would fare better alone. */
const isExhausted = (error: unknown): boolean =>
  (error as { name?: string }).name === 'KafkaJSNumberOfRetriesExceeded'

function merged(batch: readonly Request[]): TopicMessages[] {
  const byTopic = new Map<string, Message[]>()
  for (const { topicMessages } of batch) {
    for (const { topic, messages } of topicMessages) {
      const together = byTopic.get(topic)
      if (together) together.push(...messages)
      else byTopic.set(topic, [...messages])
    }
  }
  return [...byTopic].map(([topic, messages]) => ({ topic, messages }))
}

function bytesOfRequest({ topicMessages }: Request): number {
  let bytes = 0
  for (const { messages } of topicMessages) {
    for (const { key, value, headers = {} } of messages) {
      bytes += bytesOfMessageOverhead + (key?.length ?? 0) + (value?.length ?? 0)
      for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0)
    }
  }
  return bytes
}
