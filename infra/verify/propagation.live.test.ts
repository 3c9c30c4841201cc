import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import type { IHeaders } from 'kafkajs'
import kafkajs from 'kafkajs'
import { topics } from '../../shared/saga/events.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { toMessage } from '../../shared/kafka/cloud-events.ts'
import type { Stack } from '../native/open-stack.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import type { Accepted, CheckoutView } from './checkouts.ts'
import { placeCheckout, sampleCheckout, untilEnded } from './checkouts.ts'
import { arrivalOf, expectedEdges, hopsOf } from './edges.ts'
import { eventually } from './eventually.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { fetchTrace, findTraces, findTracesOfSaga } from '../../shared/backends/jaeger.ts'
import type { KafkaForTests } from './kafka-for-tests.ts'
import { kafkaForTests } from './kafka-for-tests.ts'
import { readJson } from '../../shared/backends/read-json.ts'
import { stackForTests } from './stack-for-tests.ts'

const hex = (bytes: number): string => randomBytes(bytes).toString('hex')
const email = (): string => `${randomUUID()}@example.com`
const isRoot = (span: TraceSpan): boolean => span.parentSpanId === undefined

/** What a span of somebody else's is referred to by. */
const foreignSpan = () => ({ traceId: hex(16), spanId: hex(8) })
type ForeignSpan = ReturnType<typeof foreignSpan>

const traceparentOf = ({ traceId, spanId }: ForeignSpan): string => `00-${traceId}-${spanId}-01`

/** How clients other than ours name the same thing. */
const spellings: Readonly<Record<string, (span: ForeignSpan) => IHeaders>> = {
  b3: ({ traceId, spanId }) => ({ b3: `${traceId}-${spanId}-1` }),
  'x-b3-*': ({ traceId, spanId }) => ({
    'x-b3-traceid': traceId,
    'x-b3-spanid': spanId,
    'x-b3-sampled': '1',
  }),
  'X-B3-*': ({ traceId, spanId }) => ({
    'X-B3-TraceId': traceId,
    'X-B3-SpanId': spanId,
    'X-B3-Sampled': '1',
  }),
  TraceParent: (span) => ({ TraceParent: traceparentOf(span) }),
}

const crowd = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-tag-${index}`, 'tag']))

/** What a client may send by mistake or out of malice, and whether its trace goes on all the same. */
const hostile: Readonly<Record<string, { headers: (span: ForeignSpan) => IHeaders; goesOn: boolean }>> = {
  'a traceparent that is repeated': {
    headers: (span) => ({ traceparent: [traceparentOf(span), traceparentOf(foreignSpan())] }),
    goesOn: false,
  },
  'a malformed traceparent': {
    headers: ({ traceId }) => ({ traceparent: `00-${traceId}-zz-01`, tracestate: 'vendor=1' }),
    goesOn: false,
  },
  'baggage of 64 KB': {
    headers: (span) => ({ traceparent: traceparentOf(span), baggage: `tag=${'x'.repeat(65_536)}` }),
    goesOn: true,
  },
  '200 headers': {
    headers: (span) => ({ ...crowd, traceparent: traceparentOf(span) }),
    goesOn: false,
  },
}

const modes = [
  {
    hops: 'parent',
    edge: 'continue',
    propagators: 'tracecontext,baggage,b3',
    b3: ({ traceId, spanId }: ForeignSpan) => ({ b3: `${traceId}-${spanId}-1` }),
  },
  {
    hops: 'link',
    edge: 'link',
    propagators: 'tracecontext,baggage,b3multi',
    b3: ({ traceId, spanId }: ForeignSpan) => ({
      'x-b3-traceid': traceId,
      'x-b3-spanid': spanId,
      'x-b3-sampled': '1',
    }),
  },
] as const

describe('trace context, end to end on real servers', function () {
  // Where nothing is cached yet, the servers are compiled first.
  this.timeout(20 * 60_000)

  let stack: Stack
  let kafka: KafkaForTests
  let client: kafkajs.Producer

  before(async () => {
    stack = await stackForTests()
    await Promise.all((['mongodb', 'collector', 'jaeger'] as const).map((name) => stack.ready(name)))
    kafka = await kafkaForTests(topics)
    const brokers = [stack.urls.kafkaBrokers]
    client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    })
    await client.connect()
  })
  after(() => Promise.all([client.disconnect(), kafka.stop()]))

  const messagesOf = (checkoutId: string): IncomingMessage[] =>
    kafka.messages.filter((message) => message.key === checkoutId)

  /** All spans of a checkout, once each of its hops is among them. */
  const wholeSaga = ({ checkoutId, steps }: CheckoutView): Promise<TraceSpan[]> =>
    eventually(`every hop of checkout ${checkoutId} in Jaeger`, async () => {
      const spans = await findTracesOfSaga(stack.urls.jaegerUrl, checkoutId)
      const seen = new Set(hopsOf(spans).map((hop) => hop.edge))
      const isWhole = expectedEdges(steps).every((edge) => seen.has(edge))
      const hasEnd = spans.some((span) => span.service === 'checkout' && span.kind === 'producer')
      return isWhole && hasEnd ? spans : undefined
    })

  /** Asks for a checkout past the gateway, as a Kafka client that is not ours. */
  async function produceRequest(headers: IHeaders): Promise<string> {
    const checkoutId = randomUUID()
    const {
      topic,
      key,
      value,
      headers: ours,
    } = toMessage('checkout', {
      id: `foreign/${checkoutId}`,
      checkoutId,
      time: new Date().toISOString(),
      event: {
        type: 'CheckoutRequested',
        data: {
          ...sampleCheckout({ email: email() }),
          deadline: new Date(Date.now() + 60_000).toISOString(),
        },
      } as Parameters<typeof toMessage>[1]['event'],
    })
    await client.send({ topic, messages: [{ key, value, headers: { ...ours, ...headers } }] })
    return checkoutId
  }

  const answerOf = (checkoutId: string): Promise<IncomingMessage> =>
    kafka.untilMessage(
      'the answer of users',
      (message) => message.topic === 'users' && message.key === checkoutId,
    )

  const consumedBy = (service: string, checkoutId: string): Promise<TraceSpan> =>
    eventually(`the span in which ${service} handled ${checkoutId}`, async () =>
      (await findTracesOfSaga(stack.urls.jaegerUrl, checkoutId)).find(
        (span) => span.service === service && span.kind === 'consumer',
      ),
    )

  for (const { hops, edge, propagators, b3 } of modes) {
    describe(`where hops are ${hops === 'link' ? 'links' : 'children'}, incoming context is to ${edge}, B3 is written`, () => {
      let services: Services
      const started: Services[] = []
      /** Accepted while the gateway had no Kafka, and over its deadline before anybody could answer. */
      let late: Accepted
      let lateView: CheckoutView

      before(async () => {
        const environment = {
          TRACE_HOPS: hops,
          INCOMING_TRACE_CONTEXT: edge,
          OTEL_PROPAGATORS: propagators,
          MONGODB_DATABASE_PREFIX: `test-${randomUUID().slice(0, 8)}`,
          WRITER_BEAT_INTERVAL_MILLIS: '200',
          WRITER_LEASE_MILLIS: '1000',
          DEADLINE_CHECK_INTERVAL_MILLIS: '200',
        }
        const cutOff = await prepareServices(stack, {
          ...environment,
          KAFKA_BROKERS: '127.0.0.1:1',
          CHECKOUT_DEADLINE_MILLIS: '1000',
        })
        try {
          await cutOff.up('gateway')
          late = await placeCheckout(cutOff.gatewayUrl, sampleCheckout({ email: email() }))
        } finally {
          await cutOff.down()
        }
        services = await prepareServices(stack, environment)
        started.push(services)
        // The gateway before the checkout service, which has the same commits and would publish them as well.
        await Promise.all((['gateway', 'users', 'orders'] as const).map((name) => services.up(name)))
        await kafka.untilMessage('what was left in the store', ({ key }) => key === late.checkoutId)
        await services.up('checkout')
        const url = new URL(`/checkouts/${late.checkoutId}`, services.gatewayUrl)
        await eventually('the expiry', async () =>
          JSON.stringify(await readJson('the gateway', url)).includes('CheckoutExpired') ? true : undefined,
        )
        await services.up('payments')
        lateView = await untilEnded(services.gatewayUrl, late.checkoutId)
      })
      after(() => Promise.all(started.map((each) => each.down())))

      async function run(headers: Readonly<Record<string, string>> = {}): Promise<CheckoutView> {
        const request = sampleCheckout({ email: email() })
        const { checkoutId } = await placeCheckout(services.gatewayUrl, request, headers)
        return untilEnded(services.gatewayUrl, checkoutId)
      }

      describe('a checkout', () => {
        let view: CheckoutView
        let spans: TraceSpan[]
        before(async () => {
          view = await run()
          spans = await wholeSaga(view)
        })

        it('has every hop of the flow table once, and no other', () => {
          const seen = hopsOf(spans).map((hop) => hop.edge)
          deepEqual(seen.sort(), expectedEdges(view.steps).sort())
        })

        it('is found by its saga.id, which every span carries', () => {
          for (const span of spans) equal(span.attributes['saga.id'], view.checkoutId, span.name)
        })

        it('links each consumer span to the producer span of its message, and to nothing else', () => {
          for (const hop of hopsOf(spans)) {
            equal(hop.producer?.kind, 'producer', hop.edge)
            ok(hop.linked, hop.edge)
            equal(hop.consumer.links.length, 1, hop.edge)
          }
        })

        if (hops === 'parent') {
          it('is one trace with one root', () => {
            deepEqual([...new Set(spans.map((span) => span.traceId))], [view.traceId])
            equal(spans.filter(isRoot).length, 1)
            for (const hop of hopsOf(spans)) equal(hop.parent, hop.producer, hop.edge)
          })
        } else {
          it('is a trace for the request and one for each hop, with the consumer span for its root', () => {
            const consumers = hopsOf(spans).map((hop) => hop.consumer)
            ok(consumers.every(isRoot))
            const traces = new Set(consumers.map((span) => span.traceId))
            equal(traces.size, consumers.length)
            deepEqual(new Set(spans.map((span) => span.traceId)), new Set([view.traceId, ...traces]))
            equal(spans.filter(isRoot).length, 1 + consumers.length)
          })
        }

        it('has W3C and B3 on each of its messages, both naming the span that sent it', () => {
          const producers = spans.filter((span) => span.kind === 'producer')
          const sent = messagesOf(view.checkoutId)
          equal(sent.length, view.steps.length)
          const named = sent.map(({ headers }) => {
            const producer = producers.find((span) => traceparentOf(span) === headers.traceparent)
            ok(producer)
            const written = Object.fromEntries(
              Object.entries(headers).filter(([name]) => name.includes('b3')),
            )
            deepEqual(written, b3(producer))
            return producer.spanId
          })
          equal(new Set(named).size, sent.length)
        })
      })

      describe('a caller’s trace context', () => {
        const caller = foreignSpan()
        let view: CheckoutView
        let spans: TraceSpan[]
        before(async () => {
          view = await run({
            traceparent: traceparentOf(caller),
            tracestate: 'vendor=1',
            baggage: 'shop=north',
          })
          spans = await wholeSaga(view)
        })
        const serverSpan = (): TraceSpan | undefined => spans.find((span) => span.kind === 'server')

        if (edge === 'continue') {
          it('goes on', () => {
            equal(view.traceId, caller.traceId)
            equal(serverSpan()?.parentSpanId, caller.spanId)
            deepEqual(serverSpan()?.links, [])
          })
        } else {
          it('is linked to from a fresh trace, and nothing of it is on any message', () => {
            equal(serverSpan()?.traceId, view.traceId)
            ok(view.traceId !== caller.traceId)
            deepEqual(serverSpan()?.links, [caller])
            for (const { headers } of messagesOf(view.checkoutId)) {
              ok(!JSON.stringify(headers).includes(caller.traceId))
            }
          })
        }

        it('comes without its tracestate and baggage: they are on no message', () => {
          for (const { headers } of messagesOf(view.checkoutId)) {
            ok(!('tracestate' in headers) && !('baggage' in headers))
          }
        })
      })

      it(`a Kafka client’s baggage travels on${hops === 'parent' ? ', and so does its tracestate' : ', but not the tracestate of its trace'}`, async () => {
        const passengers = { tracestate: 'vendor=1', baggage: 'shop=north' }
        const traceparent = traceparentOf(foreignSpan())
        const answer = await answerOf(await produceRequest({ traceparent, ...passengers }))
        equal(answer.headers.baggage, 'shop=north')
        equal(answer.headers.tracestate, hops === 'parent' ? 'vendor=1' : undefined)
      })

      describe('a message of a client that is not ours', () => {
        const sent = new Map<string, { readonly foreign: ForeignSpan; readonly checkoutId: string }>()
        // All at once, for what takes its time is the way of their spans.
        before(async () => {
          const writers = [
            ...Object.entries(spellings),
            ...Object.entries(hostile).map(([name, { headers }]) => [name, headers] as const),
          ]
          for (const [name, headersOf] of writers) {
            const foreign = foreignSpan()
            sent.set(name, { foreign, checkoutId: await produceRequest(headersOf(foreign)) })
          }
        })
        const messageWith = (name: string) => {
          const message = sent.get(name)
          ok(message)
          return message
        }

        for (const name of Object.keys(spellings)) {
          it(`who writes ${name} is ${hops === 'link' ? 'linked to its span' : 'in its trace'}`, async () => {
            const { foreign, checkoutId } = messageWith(name)
            const consumer = await consumedBy('users', checkoutId)
            deepEqual(consumer.links, [foreign])
            if (hops === 'parent') {
              deepEqual([consumer.traceId, consumer.parentSpanId], [foreign.traceId, foreign.spanId])
            } else {
              ok(isRoot(consumer))
            }
          })
        }

        for (const [name, { goesOn }] of Object.entries(hostile)) {
          it(`with ${name} is answered, and nothing of it travels on${goesOn ? ' but its trace' : ''}`, async () => {
            const { foreign, checkoutId } = messageWith(name)
            const answer = await answerOf(checkoutId)
            for (const header of Object.keys(answer.headers)) {
              ok(!header.startsWith('x-tag') && header !== 'tracestate' && header !== 'baggage', header)
            }
            const consumer = await consumedBy('users', checkoutId)
            deepEqual(consumer.links, goesOn ? [foreign] : [])
            equal(consumer.traceId === foreign.traceId, goesOn && hops === 'parent')
          })
        }
      })

      describe('a checkout that a crash left in the store, and that is over its deadline', () => {
        let spans: TraceSpan[]
        before(async () => {
          spans = await wholeSaga(lateView)
        })

        it('takes the steps of an expiry', () => {
          equal(lateView.status, 'compensated')
          // Whoever sent it: with the expiry, checkout sends the request once more, which the gateway has published.
          const arrivals = (edges: readonly string[]) => new Set(edges.map(arrivalOf))
          deepEqual(arrivals(hopsOf(spans).map((hop) => hop.edge)), arrivals(expectedEdges(lateView.steps)))
        })

        it('is published under the trace of its request', () => {
          const swept = hopsOf(spans).filter(({ producer }) => producer?.service === 'gateway')
          deepEqual(swept.map((hop) => hop.consumer.service).sort(), ['checkout', 'users'])
          for (const { producer } of swept) equal(producer?.traceId, late.traceId)
        })

        it('is linked to from the recovery, a trace of its own whose links lead to spans that exist', async () => {
          const recovery = await eventually('the recovery that published it', async () => {
            const found = await findTraces(stack.urls.jaegerUrl, {
              service: 'gateway',
              operation: 'sweep outbox',
            })
            return found.flat().find((span) => span.links.some((link) => link.traceId === late.traceId))
          })
          ok(isRoot(recovery))
          for (const { traceId, spanId } of recovery.links) {
            const origin = await fetchTrace(stack.urls.jaegerUrl, traceId)
            ok(origin?.some((span) => span.spanId === spanId))
          }
        })

        it('expires in the trace of the hop that set its deadline', () => {
          const expiry = spans.find((span) => span.name === 'expire checkout')
          const clock = hopsOf(spans).find((hop) => hop.edge === 'gateway -checkouts-> checkout')?.consumer
          ok(expiry && clock)
          equal(expiry.traceId, clock.traceId)
          const onward = hopsOf(spans).find((hop) => hop.edge === 'checkout -checkouts-> payments')
          equal(onward?.producer?.traceId, expiry.traceId)
          equal(onward.consumer.traceId === expiry.traceId, hops === 'parent')
        })
      })
    })
  }
})
