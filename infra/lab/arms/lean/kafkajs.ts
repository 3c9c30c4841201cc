/**
 * kafkajs: a span for each message that is sent or handled, how long handling and requests took, how many were sent.
 * In place of @opentelemetry/instrumentation-kafkajs, with its names and attributes. It has none of its cluster's id,
 * its count of consumed messages (which that of the durations is as well), transactions and `eachBatch`.
 */
import type { Attributes } from '@opentelemetry/api'
import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Consumer, EachMessagePayload, KafkaMessage, Message, Producer, RequestEvent } from 'kafkajs'
import '../../../../shared/kafka/quirks/before-kafkajs.ts'
import kafkajs from 'kafkajs'
import { isCheckoutId } from '../../../../shared/saga/checkout-id.ts'
import { ATTR_SAGA_ID } from '../../../../shared/telemetry/saga-id.ts'
import { readContext, writeContext } from './message-context.ts'
import { isLeftOut } from './recording.ts'

/** True for a message that nobody will handle: a span for it would be started to be forgotten. */
export type IsPassedOver = (topic: string, message: KafkaMessage) => boolean

const durationAdvice = {
  advice: {
    explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  },
}

type Kafka = Pick<InstanceType<typeof kafkajs.Kafka>, 'producer' | 'consumer'>

export function instrumentKafkaJs(
  isPassedOver: IsPassedOver,
  prototype: Kafka = kafkajs.Kafka.prototype,
): void {
  const { producer, consumer } = prototype
  const tracer = trace.getTracer('sagascope-lean/kafkajs')
  const meter = metrics.getMeter('sagascope-lean/kafkajs')
  const clientDuration = meter.createHistogram('messaging.client.operation.duration', durationAdvice)
  const processDuration = meter.createHistogram('messaging.process.duration', durationAdvice)

  // Counted in a map and observed when metrics are collected: adding to a counter costs as much as a span's attribute.
  const sent = new Map<string, number>()
  meter.createObservableCounter('messaging.client.sent.messages').addCallback((result) => {
    for (const [topic, count] of sent) result.observe(count, sendAttributes(topic))
  })

  const onRequest = ({ payload: { apiName, broker, duration } }: RequestEvent): void =>
    clientDuration.record(duration / 1_000, requestAttributes(apiName, broker))

  prototype.producer = function (...args): Producer {
    const created = producer.apply(this, args)
    const sendBatch = created.sendBatch.bind(created)
    created.on(created.events.REQUEST, onRequest)
    created.sendBatch = async (batch) => {
      const active = context.active()
      const leftOut = isLeftOut(trace.getSpanContext(active))
      const messages = (batch.topicMessages ?? []).flatMap(({ topic, messages }) =>
        messages.map((message) => ({ topic, message })),
      )
      const spans = messages.map(({ topic, message }) => {
        message.headers ??= {}
        const parent = trace.getSpanContext(active)
        if (leftOut && parent) {
          writeContext(active, parent, message.headers)
          return undefined
        }
        const attributes = producerAttributes(topic, message)
        const span = tracer.startSpan(`send ${topic}`, { kind: SpanKind.PRODUCER, attributes }, active)
        writeContext(active, span.spanContext(), message.headers)
        return span
      })
      try {
        return await sendBatch(batch)
      } catch (error) {
        for (const span of spans) span?.setAttributes(failed(error)).setStatus(statusOf(error))
        throw error
      } finally {
        for (const { topic } of messages) sent.set(topic, (sent.get(topic) ?? 0) + 1)
        for (const span of spans) span?.end()
      }
    }
    created.send = ({ topic, messages, ...options }) =>
      created.sendBatch({ ...options, topicMessages: [{ topic, messages }] })
    return created
  }

  prototype.consumer = function (...args): Consumer {
    const created = consumer.apply(this, args)
    const run = created.run.bind(created)
    created.on(created.events.REQUEST, onRequest)
    created.run = ({ eachMessage, ...config } = {}) =>
      run({ ...config, ...(eachMessage && { eachMessage: traced(eachMessage) }) })
    return created
  }

  const traced =
    (handle: (payload: EachMessagePayload) => Promise<void>) =>
    async (payload: EachMessagePayload): Promise<void> => {
      const { topic, partition, message } = payload
      if (isPassedOver(topic, message)) return handle(payload)
      const read = readContext(message.headers)
      const startedAt = performance.now()
      const span = isLeftOut(read.producer)
        ? undefined
        : tracer.startSpan(
            `process ${topic}`,
            {
              kind: SpanKind.CONSUMER,
              attributes: consumerAttributes(topic, partition, message),
            },
            read.context,
          )
      let failure: Attributes | undefined
      try {
        await context.with(
          span ? trace.setSpan(read.context, span) : read.context,
          handle,
          undefined,
          payload,
        )
      } catch (error) {
        failure = failed(error)
        span?.setAttributes(failure).setStatus(statusOf(error))
        throw error
      } finally {
        const attributes = processAttributes(topic, partition)
        processDuration.record(
          (performance.now() - startedAt) / 1_000,
          failure ? { ...attributes, ...failure } : attributes,
        )
        span?.end()
      }
    }
}

const system = { 'messaging.system': 'kafka' } as const
const sending = { ...system, 'messaging.operation.name': 'send' } as const
const processing = { ...system, 'messaging.operation.name': 'process' } as const

function producerAttributes(topic: string, message: Message): Attributes {
  const key = message.key?.toString()
  return {
    ...sending,
    'messaging.operation.type': 'send',
    'messaging.destination.name': topic,
    ...keyAttributes(key, message.value),
    ...(isCheckoutId(key) && { [ATTR_SAGA_ID]: key }),
  }
}

const consumerAttributes = (
  topic: string,
  partition: number,
  { key, value, offset }: KafkaMessage,
): Attributes => ({
  ...processing,
  'messaging.operation.type': 'process',
  'messaging.destination.name': topic,
  'messaging.destination.partition.id': String(partition),
  'messaging.kafka.offset': offset,
  ...keyAttributes(key?.toString(), value),
})

/** A key that is no checkout id may be anything, an email for instance. */
const keyAttributes = (key: string | undefined, value: Buffer | string | null): Attributes =>
  key === undefined || key === ''
    ? {}
    : {
        'messaging.kafka.message.key': isCheckoutId(key) ? key : '*',
        ...(value === null && { 'messaging.kafka.message.tombstone': true }),
      }

const failed = (error: unknown): Attributes => ({
  'error.type': error instanceof Error ? error.constructor.name : '_OTHER',
})

const statusOf = (error: unknown) => ({
  code: SpanStatusCode.ERROR,
  ...(error instanceof Error && { message: error.message }),
})

/** What is the same for all messages of a topic, or all requests to a broker, is made once. */
function remembered<Key extends readonly (string | number)[]>(
  create: (...key: Key) => Attributes,
): (...key: Key) => Attributes {
  const known = new Map<string, Attributes>()
  return (...key) => {
    const name = key.join('\n')
    let attributes = known.get(name)
    if (!attributes) {
      attributes = Object.freeze(create(...key))
      known.set(name, attributes)
    }
    return attributes
  }
}

const sendAttributes = remembered((topic: string) => ({ ...sending, 'messaging.destination.name': topic }))

const processAttributes = remembered((topic: string, partition: number) => ({
  ...processing,
  'messaging.destination.name': topic,
  'messaging.destination.partition.id': String(partition),
}))

const requestAttributes = remembered((apiName: string, broker: string) => {
  const [address = '', port = ''] = broker.split(':')
  return {
    ...system,
    'messaging.operation.name': apiName,
    'server.address': address,
    'server.port': Number.parseInt(port, 10),
  }
})
