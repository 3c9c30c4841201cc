import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { EachMessagePayload, IHeaders, Kafka } from 'kafkajs'
import type { Middleware } from 'koa'
import type { Loggers } from './bunyan.ts'
import { instrumentBunyan } from './bunyan.ts'
import { instrumentHttpServer } from './http.ts'
import { instrumentKafkaJs } from './kafkajs.ts'
import type { Application } from './koa.ts'
import { instrumentKoa } from './koa.ts'
import type { Connection } from './mongodb.ts'
import { instrumentMongoDb } from './mongodb.ts'
import { passedOverBy } from './passed-over.ts'
import type { TelemetryForTests } from './telemetry-for-tests.ts'
import { startTelemetryForTests } from './telemetry-for-tests.ts'

const checkoutId = '5f0c6c1e-7f25-4dc8-9f3b-6b7f3a1b2c3d'
const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const sampled = `00-${traceId}-${spanId}-01`
const unsampled = `00-${traceId}-${spanId}-00`

describe('the lean instrumentation', () => {
  let telemetry: TelemetryForTests
  before(() => {
    telemetry = startTelemetryForTests()
  })
  afterEach(() => telemetry.reset())
  after(() => telemetry.stop())

  const spanNamed = (name: string) => {
    const found = telemetry.spans().find((span) => span.name === name)
    ok(
      found,
      `there is a span ${name} among ${telemetry
        .spans()
        .map((span) => span.name)
        .join(', ')}`,
    )
    return found
  }
  const inTrace = <T>(traceparent: string, work: () => T): T =>
    context.with(propagation.extract(ROOT_CONTEXT, { traceparent }), work)

  describe('of kafkajs', () => {
    type Batch = Parameters<ReturnType<Kafka['producer']>['sendBatch']>[0]

    let sentBatches: Batch[]
    let failure: Error | undefined
    let consumerConfig: { eachMessage?: (payload: EachMessagePayload) => Promise<void> }
    const listeners: ((event: unknown) => void)[] = []

    const client = {
      events: { REQUEST: 'request' },
      on: (_name: string, listener: (event: unknown) => void) => listeners.push(listener),
    }
    const kafka = {
      producer: () => ({
        ...client,
        sendBatch: (batch: Batch) => {
          sentBatches.push(batch)
          return failure ? Promise.reject(failure) : Promise.resolve([])
        },
      }),
      consumer: () => ({
        ...client,
        run: (config: typeof consumerConfig) => {
          consumerConfig = config
          return Promise.resolve()
        },
      }),
    } as unknown as Kafka

    before(() => instrumentKafkaJs(passedOverBy('orders'), kafka))
    beforeEach(() => {
      sentBatches = []
      failure = undefined
    })

    const send = (headers: IHeaders = {}, key = checkoutId) =>
      kafka.producer().send({ topic: 'users', messages: [{ key, value: '{}', headers }] })
    const headersSent = (): IHeaders => sentBatches[0]?.topicMessages?.[0]?.messages[0]?.headers ?? {}

    async function receive(
      headers: Record<string, string | undefined>,
      handle: () => Promise<void> = () => Promise.resolve(),
      topic = 'users',
    ): Promise<void> {
      await kafka.consumer({ groupId: 'sagascope-orders' }).run({ eachMessage: handle })
      const bytes = Object.entries(headers).map(([name, value]) => [name, Buffer.from(value ?? '')])
      const message = {
        key: Buffer.from(checkoutId),
        value: Buffer.from('{}'),
        offset: '7',
        headers: Object.fromEntries(bytes) as IHeaders,
      }
      await consumerConfig.eachMessage?.({ topic, partition: 3, message } as EachMessagePayload)
    }

    it('makes a producer span of each message, whose header names it', async () => {
      await inTrace(sampled, () => send())
      const span = spanNamed('send users')
      equal(span.kind, SpanKind.PRODUCER)
      equal(span.parentSpanContext?.spanId, spanId)
      deepEqual(span.attributes, {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'send',
        'messaging.operation.type': 'send',
        'messaging.destination.name': 'users',
        'messaging.kafka.message.key': checkoutId,
        'saga.id': checkoutId,
      })
      deepEqual(headersSent(), { traceparent: `00-${traceId}-${span.spanContext().spanId}-01` })
    })

    it('replaces what a message has of an earlier hop, in whatever spelling', async () => {
      await inTrace(sampled, () => send({ ce_id: 'one', 'X-B3-TraceId': traceId, tracestate: 'a=b' }))
      const span = spanNamed('send users')
      deepEqual(headersSent(), {
        ce_id: 'one',
        traceparent: `00-${traceId}-${span.spanContext().spanId}-01`,
      })
    })

    it('takes baggage along', async () => {
      const baggage = propagation.createBaggage({ shop: { value: 'north' } })
      await context.with(propagation.setBaggage(ROOT_CONTEXT, baggage), () => send())
      equal(headersSent().baggage, 'shop=north')
    })

    it('shows no key that is not a checkout’s id', async () => {
      await send({}, 'ada@example.com')
      equal(spanNamed('send users').attributes['messaging.kafka.message.key'], '*')
      equal(spanNamed('send users').attributes['saga.id'], undefined)
    })

    it('says that sending failed, and why', async () => {
      failure = new TypeError('no broker')
      await rejects(send(), /no broker/)
      const { status, attributes } = spanNamed('send users')
      deepEqual(status, { code: SpanStatusCode.ERROR, message: 'no broker' })
      equal(attributes['error.type'], 'TypeError')
    })

    it('makes a consumer span that is the producer’s child and links to it', async () => {
      let inside: string | undefined
      await receive({ traceparent: sampled }, () => {
        inside = trace.getActiveSpan()?.spanContext().spanId
        return Promise.resolve()
      })
      const span = spanNamed('process users')
      equal(span.kind, SpanKind.CONSUMER)
      equal(span.spanContext().traceId, traceId)
      equal(span.parentSpanContext?.spanId, spanId)
      deepEqual(
        span.links.map((link) => link.context.spanId),
        [spanId],
      )
      equal(inside, span.spanContext().spanId)
      deepEqual(span.attributes, {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'users',
        'messaging.destination.partition.id': '3',
        'messaging.kafka.offset': '7',
        'messaging.kafka.message.key': checkoutId,
      })
    })

    it('reads context as it is written elsewhere: in another case, as B3, or not at all', async () => {
      await receive({ TraceParent: sampled })
      await receive({ b3: `${traceId}-${spanId}-1` })
      deepEqual(
        telemetry.spans().map((span) => span.parentSpanContext?.spanId),
        [spanId, spanId],
      )
      telemetry.reset()
      await receive({ traceparent: 'malformed' })
      await receive({})
      deepEqual(
        telemetry.spans().map((span) => [span.parentSpanContext, span.links.length]),
        [
          [undefined, 0],
          [undefined, 0],
        ],
      )
    })

    it('makes no span of what is not sampled, and hands its trace on', async () => {
      await receive({ traceparent: unsampled }, async () => {
        await send()
      })
      deepEqual(telemetry.spans(), [])
      deepEqual(headersSent(), { traceparent: unsampled })
    })

    it('makes no span of a message that the service passes over, and the span of one that it may have to keep', async () => {
      await receive({ traceparent: sampled, ce_type: 'dev.sagascope.RegistrationRejected.v1' })
      deepEqual(telemetry.spans(), [])
      await receive({ traceparent: sampled, ce_type: 'dev.sagascope.UserRegistered.v1' })
      await receive({ traceparent: sampled, ce_type: 'unheard of' })
      equal(telemetry.spans().length, 2)
    })

    it('says that handling failed, and lets it fail', async () => {
      const handling = receive({ traceparent: sampled }, () => Promise.reject(new RangeError('no')))
      await rejects(handling, RangeError)
      deepEqual(spanNamed('process users').status, { code: SpanStatusCode.ERROR, message: 'no' })
    })

    it('measures how long handling and requests took, and counts what was sent', async () => {
      await receive({ traceparent: unsampled }, undefined, 'payments')
      const [processed] = (await telemetry.points('messaging.process.duration')).filter(
        ({ attributes }) => attributes['messaging.destination.name'] === 'payments',
      )
      deepEqual(processed, {
        attributes: {
          'messaging.system': 'kafka',
          'messaging.operation.name': 'process',
          'messaging.destination.name': 'payments',
          'messaging.destination.partition.id': '3',
        },
        value: 1,
      })
      const [sent] = await telemetry.points('messaging.client.sent.messages')
      deepEqual(sent?.attributes, {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'send',
        'messaging.destination.name': 'users',
      })
      listeners.at(-1)?.({ payload: { apiName: 'Produce', broker: '127.0.0.1:9092', duration: 2 } })
      deepEqual(await telemetry.points('messaging.client.operation.duration'), [
        {
          attributes: {
            'messaging.system': 'kafka',
            'messaging.operation.name': 'Produce',
            'server.address': '127.0.0.1',
            'server.port': 9092,
          },
          value: 1,
        },
      ])
    })
  })

  describe('of mongodb', () => {
    let failure: Error | undefined
    const connection: Connection = {
      address: '127.0.0.1:27017',
      command: () => (failure ? Promise.reject(failure) : Promise.resolve({ ok: 1 })),
    }
    before(() => instrumentMongoDb(connection))

    const insert = () =>
      connection.command({ db: 'sagascope-users', collection: 'commits' }, { insert: 'commits' })

    it('makes a client span of each command inside a trace', async () => {
      deepEqual(await inTrace(sampled, insert), { ok: 1 })
      const span = spanNamed('insert commits')
      equal(span.kind, SpanKind.CLIENT)
      equal(span.parentSpanContext?.spanId, spanId)
      deepEqual(span.attributes, {
        'db.system.name': 'mongodb',
        'db.namespace': 'sagascope-users',
        'db.operation.name': 'insert',
        'db.collection.name': 'commits',
        'server.address': '127.0.0.1',
        'server.port': 27_017,
      })
    })

    it('makes none outside of a trace, in one that is not sampled, or of a connection that begins', async () => {
      await insert()
      await inTrace(sampled, () => connection.command({ db: 'admin', collection: '$cmd' }, { ismaster: 1 }))
      await inTrace(unsampled, insert)
      deepEqual(telemetry.spans(), [])
    })

    it('says that a command failed, and lets it fail', async () => {
      failure = new Error('connection lost')
      await rejects(inTrace(sampled, insert), /connection lost/)
      deepEqual(spanNamed('insert commits').status, {
        code: SpanStatusCode.ERROR,
        message: 'connection lost',
      })
    })
  })

  describe('of bunyan', () => {
    const lines: object[] = []
    const loggers: Loggers = { _emit: (line) => lines.push({ ...line }) }
    before(() => instrumentBunyan(loggers))
    beforeEach(() => lines.splice(0))

    const time = new Date('2026-11-26T12:00:00Z')
    const line = {
      ...{ name: 'users', hostname: 'here', pid: 1, level: 30, v: 0, time, msg: 'message answered' },
      'event.name': 'message.handled',
      'saga.id': checkoutId,
    }

    it('puts the trace on each line, and sends the line as a record of its trace', () => {
      inTrace(sampled, () => loggers._emit({ ...line }))
      deepEqual(lines, [{ ...line, trace_id: traceId, span_id: spanId, trace_flags: '01' }])
      const [record] = telemetry.records()
      equal(record?.body, 'message answered')
      equal(record.severityText, 'info')
      equal(record.spanContext?.spanId, spanId)
      deepEqual(record.attributes, {
        name: 'users',
        'event.name': 'message.handled',
        'saga.id': checkoutId,
      })
    })

    it('sends what is said outside of a trace as well', () => {
      loggers._emit({ ...line })
      deepEqual(lines, [line])
      equal(telemetry.records().length, 1)
    })

    it('sends nothing of a line that is only asked for', () => {
      loggers._emit({ ...line }, true)
      equal(telemetry.records().length, 0)
    })
  })

  describe('of http and koa', () => {
    let server: Server
    let seen: string | undefined

    before(async () => {
      const handlers: Middleware[] = []
      const application: Application = {
        use: (dispatch) => {
          handlers.push(...(dispatch.router?.stack[0]?.stack ?? []))
        },
      }
      instrumentKoa(application)
      const answer: Middleware = (ctx) => {
        seen = trace.getActiveSpan()?.spanContext().spanId
        if (ctx.req.url === '/checkouts?fail') throw new Error('no store')
      }
      const router = { stack: [{ path: '/checkouts', stack: [answer] }] }
      application.use(Object.assign(() => undefined, { router }))
      server = createServer((req, res) => {
        const handled = Promise.resolve().then(
          () => handlers[0]?.({ req } as never, () => Promise.resolve()) as unknown,
        )
        void handled.then(() => res.writeHead(202).end()).catch(() => res.writeHead(503).end())
      })
      instrumentHttpServer(server as never)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    })
    after(() => server.close())

    async function ask(path: string, headers: Record<string, string> = {}): Promise<void> {
      const { port } = server.address() as AddressInfo
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers })
      await response.text()
      await new Promise((resolve) => setImmediate(resolve)) // the response is closed here, and then there
    }

    it('makes a server span that is named for its route, and one of what the route does inside', async () => {
      await ask('/checkouts?email=ada@example.com', { traceparent: sampled, baggage: 'name=ada' })
      const request = spanNamed('POST /checkouts')
      const route = spanNamed('router - /checkouts')
      equal(request.kind, SpanKind.SERVER)
      equal(request.parentSpanContext?.spanId, spanId)
      deepEqual(request.attributes, {
        'http.request.method': 'POST',
        'url.scheme': 'http',
        'url.path': '/checkouts',
        'http.response.status_code': 202,
        'http.route': '/checkouts',
      })
      equal(route.parentSpanContext?.spanId, request.spanContext().spanId)
      equal(route.attributes['http.route'], '/checkouts')
      equal(seen, route.spanContext().spanId)
    })

    it('says that a request failed, and where', async () => {
      await ask('/checkouts?fail')
      equal(spanNamed('POST /checkouts').status.code, SpanStatusCode.ERROR)
      equal(spanNamed('POST /checkouts').attributes['error.type'], '503')
      match(String(spanNamed('router - /checkouts').events[0]?.attributes?.['exception.message']), /no store/)
    })

    it('makes none of a probe, nor of what is not sampled', async () => {
      await ask('/readyz')
      await ask('/checkouts', { traceparent: unsampled })
      deepEqual(telemetry.spans(), [])
    })

    it('measures every request but probes, by route and status', async () => {
      const points = await telemetry.points('http.server.request.duration')
      deepEqual(
        points.map(({ attributes, value }) => [
          attributes['http.route'],
          attributes['http.response.status_code'],
          value,
        ]),
        [
          ['/checkouts', 202, 2],
          ['/checkouts', 503, 1],
        ],
      )
    })
  })
})
