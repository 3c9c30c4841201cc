import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Stack } from '../native/open-stack.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import type { Backends, CheckoutReport } from './checkout-report.ts'
import { isWhole, readBack } from './checkout-report.ts'
import type { CheckoutRequest, CheckoutView } from './checkouts.ts'
import { placeCheckout, postCheckout, sampleCheckout, untilEnded } from './checkouts.ts'
import { expectedEdges, hopsOf } from './edges.ts'
import { eventually } from './eventually.ts'
import { startImpatientGateway } from './impatient-gateway-for-tests.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { fetchTrace, findTraces } from '../../shared/backends/jaeger.ts'
import { query } from '../../shared/backends/prometheus.ts'
import { readJson } from '../../shared/backends/read-json.ts'
import { stackForTests } from './stack-for-tests.ts'
import {
  batchContract,
  forbiddenLabels,
  logContract,
  metricContract,
  seriesLimitPerInstance,
  spanContract,
} from './telemetry-contract.ts'

/** Of the checkout that shall expire: long enough that its payment is captured before, on a busy machine as well. */
const deadlineMillis = 10_000

describe('the telemetry contract', function () {
  this.timeout(20 * 60_000)

  let stack: Stack
  let services: Services
  let impatient: Services
  let backends: Backends
  let reports: readonly CheckoutReport[]
  let startedAtMillis: number

  const email = () => `${randomUUID()}@example.com`

  before(async () => {
    stack = await stackForTests()
    await stack.allReady
    services = await prepareServices(stack)
    ;[impatient] = await Promise.all([
      startImpatientGateway(stack, deadlineMillis),
      ...services.names.map((name) => services.up(name)),
    ])
    const { jaegerUrl, elasticsearchUrl, prometheusUrl } = stack.urls
    backends = { gatewayUrl: services.gatewayUrl, jaegerUrl, elasticsearchUrl, prometheusUrl }
    startedAtMillis = Date.now()
    reports = await checkoutsOfEveryOutcome()
  })
  after(() => Promise.all([services.down(), impatient.down()]))

  const end = (checkoutId: string): Promise<CheckoutView> =>
    untilEnded(services.gatewayUrl, checkoutId, 75_000)

  async function checkoutsOfEveryOutcome(): Promise<CheckoutReport[]> {
    const known = email()
    const place = async (
      request: Parameters<typeof sampleCheckout>[0],
      { gatewayUrl }: Services = services,
    ): Promise<string> => {
      const headers = { 'idempotency-key': randomUUID() }
      return (await placeCheckout(gatewayUrl, sampleCheckout(request), headers)).checkoutId
    }
    const first = await end(await place({ email: known }))
    const ids = await Promise.all([
      place({ email: known, token: 'tok_declined' }), // keeps its user
      place({ email: email(), token: 'tok_insufficient_funds' }),
      place({ email: email(), token: 'tok_flaky' }),
      place({ email: email(), sku: 'SAGA-POSTER' }),
      place({ email: `${randomUUID()}@blocked.example` }),
    ])
    const views = [first, ...(await Promise.all(ids.map(end)))]
    const reports = Promise.all(views.map((view) => readBack(backends, view)))
    reports.catch(() => undefined) // told below

    // One that is refunded: orders is away when the payment is captured, so the deadline passes.
    const slow = await place({ email: email(), token: 'tok_slow' }, impatient)
    await eventually('the order to be placed', () => hasStep(slow, 'OrderPlaced'))
    await services.server('orders').down()
    await eventually('the checkout to expire', () => hasStep(slow, 'CheckoutExpired'), {
      deadlineMillis: 60_000,
    })
    await services.server('orders').up()
    return [...(await reports), await readBack(backends, await end(slow))]
  }

  /** As a client is told to: a 503 is asked again under the same key. */
  function placeUntilTaken(request: CheckoutRequest): Promise<string> {
    const key = { 'idempotency-key': randomUUID() }
    return eventually('a checkout to be accepted', async () => {
      const { status, body } = await postCheckout(services.gatewayUrl, request, key)
      if (status === 503) return undefined
      equal(status, 202)
      return (body as { checkoutId: string }).checkoutId
    })
  }

  async function hasStep(checkoutId: string, type: string): Promise<true | undefined> {
    const seen = (await readJson(
      'gateway',
      new URL(`/checkouts/${checkoutId}`, services.gatewayUrl),
    )) as CheckoutView
    return seen.steps.some((step) => step.type === type) ? true : undefined
  }

  const described = (span: TraceSpan) => `${span.service} ${span.kind} "${span.name}"`

  it('covers every step that the flow table has', () => {
    const seen = new Set(reports.flatMap((report) => report.view.steps.map((step) => step.type)))
    deepEqual([...seen].sort(), [
      'CheckoutCompensated',
      'CheckoutCompleted',
      'CheckoutExpired',
      'CheckoutRejected',
      'CheckoutRequested',
      'OrderCancelled',
      'OrderConfirmed',
      'OrderPlaced',
      'OrderRejected',
      'PaymentCaptured',
      'PaymentDeclined',
      'PaymentRefunded',
      'RegistrationKept',
      'RegistrationRejected',
      'RegistrationRevoked',
      'UserRegistered',
    ])
  })

  describe('spans', () => {
    it('are the promised ones: none is missing and none extra', () => {
      const promised = spanContract.map(({ service, kind, name }) => `${service} ${kind} "${name}"`)
      const seen = new Set(reports.flatMap(({ spans }) => spans.map(described)))
      deepEqual([...seen].sort(), [...new Set(promised)].sort())
    })

    it('of the store are eight inserts and no read where a checkout completes', () => {
      const completed = reports.find(({ view }) => view.status === 'completed')
      const inserts = completed?.spans.filter((span) => 'db.system.name' in span.attributes) ?? []
      deepEqual(inserts.map(({ service, name }) => `${service}: ${name}`).sort(), [
        'checkout: insert commits',
        'gateway: insert commits',
        'orders: insert commits',
        'orders: insert commits',
        'payments: insert commits',
        'payments: insert ledger',
        'users: insert commits',
        'users: insert email_register',
      ])
    })

    it('have the attributes that are promised, and saga.id', () => {
      for (const { spans, view } of reports) {
        for (const span of spans) {
          const row = spanContract.find(
            ({ service, kind, name }) => span.service === service && span.kind === kind && span.name === name,
          )
          equal(span.attributes['saga.id'], view.checkoutId, described(span))
          // A call that failed has no outcome.
          const missing = row?.attributes.filter((name) => !(name in span.attributes)) ?? []
          if (!span.failed) deepEqual(missing, [], described(span))
        }
      }
    })

    it('are the hops of the flow table: none missing, none extra, each with its parent and a link to it', () => {
      for (const { spans, view } of reports) {
        const hops = hopsOf(spans)
        deepEqual(hops.map((hop) => hop.edge).sort(), expectedEdges(view.steps).sort(), view.status)
        for (const { edge, parent, linked, consumer } of hops) {
          equal(parent?.kind, 'producer', edge)
          ok(linked, `${edge} links to its producer`)
          equal(consumer.links.length, 1, `${edge} has one link`)
        }
      }
    })

    it('say once how the checkout ended, where its end was committed', () => {
      for (const { spans, view } of reports) {
        const told = spans.filter((span) => 'saga.outcome' in span.attributes)
        deepEqual(
          told.map((span) => [span.service, span.kind, span.attributes['saga.outcome']]),
          [['checkout', 'consumer', view.status]],
        )
      }
    })

    it('have one root, and no orphan', () => {
      for (const { spans } of reports) {
        const known = new Set(spans.map((span) => span.spanId))
        const roots = spans.filter((span) => span.parentSpanId === undefined)
        deepEqual(roots.map(described), ['gateway server "POST /checkouts"'])
        const orphans = spans.filter(
          (span) => span.parentSpanId !== undefined && !known.has(span.parentSpanId),
        )
        deepEqual(orphans.map(described), [])
      }
    })

    it('say that they failed where they did, and why', () => {
      const failed = reports.flatMap(({ spans }) => spans.filter((span) => span.failed))
      deepEqual([...new Set(failed.map(described))], ['payments client "capture payment"'])
    })
  })

  describe('metrics', () => {
    it('are there for every service that is promised to have them, with their labels', async () => {
      for (const { services: promised, name, labels } of metricContract) {
        const samples = await eventually(`${name} of ${promised.join(', ')}`, async () => {
          const found = await query(
            backends.prometheusUrl,
            `count by (service_name, ${[...labels, 'job'].join(', ')}) (${name})`,
          )
          const who = new Set(found.map((sample) => sample.labels.service_name))
          return promised.every((service) => who.has(service)) ? found : undefined
        })
        const ours = samples.filter(({ labels: { service_name: service } }) =>
          promised.some((each) => each === service),
        )
        for (const label of labels) {
          ok(
            ours.some((sample) => (sample.labels[label] ?? '') !== ''),
            `${name} has ${label}`,
          )
        }
      }
    })

    it('have no id for a label, and a bounded number of series', async () => {
      const answer = z.object({ data: z.array(z.string()) })
      const labels = answer.parse(
        await readJson('Prometheus', new URL('/api/v1/labels', backends.prometheusUrl)),
      )
      deepEqual(
        labels.data.filter((label) => forbiddenLabels.test(label)),
        [],
      )
      const series = await query(
        backends.prometheusUrl,
        'count by (service_name, instance) ({service_name!=""})',
      )
      for (const { labels: of, value } of series) {
        ok(
          value < seriesLimitPerInstance,
          `${of.service_name ?? ''} ${of.instance ?? ''} has ${value} series`,
        )
      }
    })

    it('have exemplars that open a trace that exists', async () => {
      const exemplars = z.object({
        data: z.array(
          z.object({ exemplars: z.array(z.object({ labels: z.record(z.string(), z.string()) })) }),
        ),
      })
      const traceId = await eventually('an exemplar', async () => {
        const url = new URL('/api/v1/query_exemplars', backends.prometheusUrl)
        url.searchParams.set(
          'query',
          'traces_span_metrics_duration_seconds_bucket{span_kind="SPAN_KIND_CONSUMER"}',
        )
        url.searchParams.set('start', String(startedAtMillis / 1_000))
        url.searchParams.set('end', String(Date.now() / 1_000))
        const { data } = exemplars.parse(await readJson('Prometheus', url))
        return data.flatMap((series) => series.exemplars)[0]?.labels.trace_id
      })
      ok((await fetchTrace(backends.jaegerUrl, traceId))?.length, `trace ${traceId} exists`)
    })
  })

  describe('logs', () => {
    it('have the promised lines, each with trace_id, span_id and saga.id', () => {
      const lines = reports.flatMap(({ logs, view }) => logs.map((line) => ({ ...line, view })))
      for (const { service, event } of logContract) {
        const found = lines.filter(
          (line) => line.service === service && line.attributes['event.name'] === event,
        )
        ok(found.length > 0, `${service} logs ${event}`)
      }
      for (const { view, service, message, spanId, attributes } of lines) {
        ok(spanId, `${service}: ${message}`)
        ok(attributes['event.name'], `${service}: ${message} has a name`)
        equal(attributes['saga.id'], view.checkoutId, `${service}: ${message}`)
      }
    })

    it('lead to spans of their trace', () => {
      for (const { logs, spans } of reports) {
        const known = new Set(spans.map((span) => span.spanId))
        for (const line of logs) ok(known.has(line.spanId), `${line.service}: ${line.message}`)
      }
    })
  })

  describe('under load', () => {
    const count = 1_000
    const wholeShare = 0.999

    it(`has a whole trace for at least 99.9 % of ${count} checkouts placed at once, and finds every log line's`, async () => {
      const startedAt = new Date().toISOString()
      // Two thousand services' worth of sockets would measure the client: a hundred at a time.
      const ids: string[] = []
      const queue = Array.from({ length: count }, (_, index) =>
        sampleCheckout({ email: email(), token: index % 5 === 0 ? 'tok_declined' : 'tok_visa' }),
      )
      await Promise.all(
        Array.from({ length: 100 }, async () => {
          for (let request = queue.pop(); request; request = queue.pop()) {
            ids.push(await placeUntilTaken(request))
          }
        }),
      )
      const views: CheckoutView[] = []
      for (const id of ids) views.push(await untilEnded(services.gatewayUrl, id, 240_000))

      const spansOf = new Map<string, ReadonlySet<string>>()
      const isWholeNow = async (view: CheckoutView): Promise<boolean> => {
        const spans = (await fetchTrace(backends.jaegerUrl, view.traceId)) ?? []
        spansOf.set(view.traceId, new Set(spans.map((span) => span.spanId)))
        return isWhole(spans, view) && hopsOf(spans).every((hop) => hop.linked)
      }
      let missing = views
      const broken = await eventually(
        `whole traces of ${count} checkouts`,
        async () => {
          const still: CheckoutView[] = []
          const left = [...missing]
          await Promise.all(
            Array.from({ length: 8 }, async () => {
              for (let view = left.pop(); view; view = left.pop())
                if (!(await isWholeNow(view))) still.push(view)
            }),
          )
          missing = still
          return missing.length <= count * (1 - wholeShare) ? missing : undefined
        },
        { deadlineMillis: 120_000, intervalMillis: 2_000 },
      )
      ok(broken.length <= count * (1 - wholeShare), `${broken.length} traces are not whole`)

      const found = await logsSince(startedAt)
      const lost = found.filter(
        ({ traceId, spanId }) => spansOf.has(traceId) && !spansOf.get(traceId)?.has(spanId),
      )
      deepEqual(lost, [])
      const heard = new Set(found.map(({ traceId }) => traceId))
      deepEqual(
        views.filter(({ traceId }) => !heard.has(traceId)),
        [],
      )
    })

    it('has the inserts that shared a command linked to from it, in a trace of its own', async () => {
      for (const { service, kind, name, attributes } of batchContract) {
        const [batch, ...others] = await eventually(`${name} of ${service}`, async () => {
          const found = await findTraces(backends.jaegerUrl, { service, operation: name, limit: 1 })
          return found[0]
        })
        ok(batch)
        deepEqual([batch.kind, batch.parentSpanId, others], [kind, undefined, []], service)
        deepEqual(
          attributes.filter((attribute) => !(attribute in batch.attributes)),
          [],
          service,
        )
        equal('saga.id' in batch.attributes, false, service)
        const size = batch.attributes['db.operation.batch.size']
        equal(size, String(batch.links.length), service)
        for (const { traceId, spanId } of batch.links) {
          const insert = await eventually(`a span that ${name} of ${service} links to`, async () =>
            (await fetchTrace(backends.jaegerUrl, traceId))?.find((span) => span.spanId === spanId),
          )
          deepEqual([insert.service, insert.name], [service, 'insert commits'])
          equal(insert.attributes['db.operation.batch.size'], size, service)
        }
      }
    })

    /** Every log line with a trace id since then, page by page. */
    async function logsSince(startedAt: string): Promise<{ traceId: string; spanId: string }[]> {
      const page = z.object({
        hits: z.object({
          hits: z.array(
            z.object({
              _source: z.object({ trace_id: z.string(), span_id: z.string() }),
              sort: z.array(z.unknown()),
            }),
          ),
        }),
      })
      const all: { traceId: string; spanId: string }[] = []
      const url = new URL('/sagascope-logs*/_search', backends.elasticsearchUrl)
      let after: unknown[] | undefined
      for (;;) {
        const { hits } = page.parse(
          await readJson('Elasticsearch', url, {
            size: 5_000,
            _source: ['trace_id', 'span_id'],
            query: {
              bool: {
                filter: [{ exists: { field: 'trace_id' } }, { range: { '@timestamp': { gte: startedAt } } }],
              },
            },
            sort: [{ '@timestamp': 'asc' }, { span_id: 'asc' }],
            ...(after && { search_after: after }),
          }),
        )
        if (hits.hits.length === 0) return all
        all.push(...hits.hits.map(({ _source }) => ({ traceId: _source.trace_id, spanId: _source.span_id })))
        after = hits.hits.at(-1)?.sort
      }
    }
  })
})
