import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import type { Stack } from '../native/open-stack.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import type { Backends, CheckoutReport } from './checkout-report.ts'
import { readBack } from './checkout-report.ts'
import { placeCheckout, postCheckout, sampleCheckout, untilEnded } from './checkouts.ts'
import type { CheckoutRequest } from './checkouts.ts'
import { movements, readCounters } from './counters.ts'
import type { Counters } from './counters.ts'
import { expectedEdges, hopsOf } from './edges.ts'
import { eventually } from './eventually.ts'
import { stackForTests } from './stack-for-tests.ts'

describe('the saga, end to end on real servers', function () {
  // Where nothing is cached yet, the servers are compiled first.
  this.timeout(20 * 60_000)

  let stack: Stack
  let services: Services
  let backends: Backends
  let countersBefore: Counters
  /** One of each outcome. They are under way at the same time, for most of it is waiting for their telemetry. */
  let reports: readonly Promise<CheckoutReport>[]

  before(async () => {
    stack = await stackForTests()
    await stack.allReady
    services = await prepareServices(stack)
    const { jaegerUrl, elasticsearchUrl, prometheusUrl } = stack.urls
    backends = { gatewayUrl: services.gatewayUrl, jaegerUrl, elasticsearchUrl, prometheusUrl }
    ;[countersBefore] = await Promise.all([
      countersThatStandStill(),
      ...services.names.map((name) => services.up(name)),
    ])
    reports = outcomes.map(({ request }) => run(request()))
    await Promise.allSettled(reports)
  })
  after(() => services.down())

  const email = () => `${randomUUID()}@example.com`

  async function run(request: CheckoutRequest, headers?: Record<string, string>): Promise<CheckoutReport> {
    const { checkoutId } = await placeCheckout(services.gatewayUrl, request, headers)
    return readBack(backends, await untilEnded(services.gatewayUrl, checkoutId))
  }

  /** Two equal readings, more than a scrape apart: what an earlier file's services sent as they stopped has arrived. */
  function countersThatStandStill(): Promise<Counters> {
    let last: Counters | undefined
    return eventually(
      'counters that stand still',
      async () => {
        const now = await readCounters(backends.prometheusUrl)
        const still = last !== undefined && movements(last, now).length === 0
        last = now
        return still ? now : undefined
      },
      { intervalMillis: 3_000 },
    )
  }

  const outcomes = [
    {
      title: 'completes when the payment is captured',
      request: () => sampleCheckout({ email: email() }),
      status: 'completed',
      reason: undefined,
      steps: [
        'CheckoutRequested',
        'UserRegistered',
        'OrderPlaced',
        'PaymentCaptured',
        'OrderConfirmed',
        'CheckoutCompleted',
      ],
    },
    {
      title: 'is compensated when the payment is declined',
      request: () => sampleCheckout({ email: email(), token: 'tok_declined' }),
      status: 'compensated',
      reason: 'card_declined',
      steps: [
        'CheckoutRequested',
        'UserRegistered',
        'OrderPlaced',
        'PaymentDeclined',
        'OrderCancelled',
        'RegistrationRevoked',
        'CheckoutCompensated',
      ],
    },
    {
      title: 'is compensated when the order is rejected',
      request: () => sampleCheckout({ email: email(), sku: 'SAGA-POSTER' }),
      status: 'compensated',
      reason: 'out_of_stock',
      steps: [
        'CheckoutRequested',
        'UserRegistered',
        'OrderRejected',
        'RegistrationRevoked',
        'CheckoutCompensated',
      ],
    },
    {
      title: 'is rejected when the registration is',
      request: () => sampleCheckout({ email: `${randomUUID()}@blocked.example` }),
      status: 'rejected',
      reason: 'email_domain_blocked',
      steps: ['CheckoutRequested', 'RegistrationRejected', 'CheckoutRejected'],
    },
  ] as const

  for (const [index, { title, status, reason, steps }] of outcomes.entries()) {
    describe(`a checkout that ${title}`, () => {
      let report: CheckoutReport
      before(async () => {
        const found = await reports[index]
        ok(found)
        report = found
      })

      it('takes the steps of the flow table, in order', () => {
        equal(report.view.status, status)
        equal(report.view.reason, reason)
        deepEqual(
          report.view.steps.map((step) => step.type),
          steps,
        )
      })

      it('is one trace with one root, the POST to the gateway', () => {
        const known = new Set(report.spans.map((span) => span.spanId))
        const roots = report.spans.filter((span) => !known.has(span.parentSpanId ?? ''))
        deepEqual(
          roots.map((span) => [span.service, span.kind, span.name]),
          [['gateway', 'server', 'POST /checkouts']],
        )
      })

      it('has every hop of the flow table in Jaeger and no other, each with its parent and a link to it', () => {
        const hops = hopsOf(report.spans)
        deepEqual(hops.map((hop) => hop.edge).sort(), expectedEdges(report.view.steps).sort())
        for (const hop of hops) {
          equal(hop.parent?.kind, 'producer', `${hop.edge} has a producer for its parent`)
          ok(hop.linked, `${hop.edge} links to its producer`)
        }
      })

      it('carries saga.id on every span', () => {
        for (const span of report.spans) {
          equal(span.attributes['saga.id'], report.view.checkoutId, `${span.service}: ${span.name}`)
        }
      })

      it('has log lines in Elasticsearch that lead to spans of the trace', () => {
        const known = new Set(report.spans.map((span) => span.spanId))
        for (const line of report.logs) {
          ok(known.has(line.spanId), `${line.service}: ${line.message}`)
          equal(line.attributes['saga.id'], report.view.checkoutId, `${line.service}: ${line.message}`)
        }
      })
    })
  }

  it('counts each outcome once in Prometheus', async () => {
    const expected: readonly (readonly [series: string, count: number])[] = [
      ['checkout_processed_total{outcome="compensated"}', 2],
      ['checkout_processed_total{outcome="completed"}', 1],
      ['checkout_processed_total{outcome="rejected"}', 1],
      ['checkout_processed_total{outcome="requested"}', 4],
      ['order_processed_total{outcome="cancelled"}', 1],
      ['order_processed_total{outcome="confirmed"}', 1],
      ['order_processed_total{outcome="placed"}', 2],
      ['order_processed_total{outcome="rejected"}', 1],
      ['payment_processed_total{outcome="captured"}', 1],
      ['payment_processed_total{outcome="declined"}', 1],
      ['user_registered_total{outcome="new"}', 3],
      ['user_registered_total{outcome="rejected"}', 1],
      ['user_registered_total{outcome="revoked"}', 2],
    ]
    const sum = (counts: readonly (readonly [string, number])[]) =>
      counts.reduce((total, [, count]) => total + count, 0)
    const counted = await eventually('the counters to move', async () => {
      const moved = movements(countersBefore, await readCounters(backends.prometheusUrl))
      const seen = moved.map(({ series, before, after }) => [series, after - before] as const)
      return sum(seen) >= sum(expected) ? seen : undefined
    })
    deepEqual(counted, expected)
  })

  it('continues the trace of a client that sends traceparent', async () => {
    const traceId = randomBytes(16).toString('hex')
    const parentId = randomBytes(8).toString('hex')
    const request = sampleCheckout({ email: email() })
    const headers = { traceparent: `00-${traceId}-${parentId}-01` }
    const answer = await postCheckout(services.gatewayUrl, request, headers)
    equal(answer.status, 202)
    match(answer.headers.get('traceresponse') ?? '', new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
    equal((answer.body as { traceId: string }).traceId, traceId)
  })

  it('makes one user of one email, and keeps it when a later checkout fails', async () => {
    const address = email()
    const first = await run(sampleCheckout({ email: address }))
    const second = await run(sampleCheckout({ email: address, token: 'tok_declined' }))
    equal(first.view.status, 'completed')
    equal(second.view.status, 'compensated')
    ok(second.view.steps.some((step) => step.type === 'RegistrationKept'))
  })

  it('makes one checkout of one Idempotency-Key, with one trace', async () => {
    const request = sampleCheckout({ email: email() })
    const headers = { 'idempotency-key': randomUUID() }
    const first = await placeCheckout(services.gatewayUrl, request, headers)
    const second = await placeCheckout(services.gatewayUrl, request, headers)
    deepEqual([second.checkoutId, second.traceId], [first.checkoutId, first.traceId])
    const other = await postCheckout(services.gatewayUrl, sampleCheckout({ email: email() }), headers)
    equal(other.status, 422)
  })
})
