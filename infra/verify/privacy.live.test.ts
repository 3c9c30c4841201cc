import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { topics } from '../../shared/saga/events.ts'
import { deadLetterTopic } from '../../shared/kafka/middleware/dead-letter.ts'
import type { Stack } from '../native/open-stack.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import type { Accepted, GatewayAnswer } from './checkouts.ts'
import { postCheckout, sampleCheckout, untilEnded } from './checkouts.ts'
import { logsOfTrace } from '../../shared/backends/elasticsearch.ts'
import { eventually } from './eventually.ts'
import { fetchTrace } from '../../shared/backends/jaeger.ts'
import { startImpatientGateway } from './impatient-gateway-for-tests.ts'
import type { KafkaForTests } from './kafka-for-tests.ts'
import { kafkaForTests } from './kafka-for-tests.ts'
import { exemplarsUrl } from '../../shared/backends/prometheus.ts'
import { readJson } from '../../shared/backends/read-json.ts'
import { stackForTests } from './stack-for-tests.ts'

/** In every value that telemetry must not have. What follows it says where it was put, so that a leak tells. */
const canary = `canary-${randomBytes(6).toString('hex')}`
/** What the Collector puts in the place of emails and tokens: a service has written one, and that is a leak too. */
const mask = '****'

/** Marks the messages that this test writes itself, and the dead letters made of them. */
const poisonHeader = 'x-poison'

const emailAt = (place: string) => `${canary}-${place}@example.com`

/** Every way by which a caller's words come along with a request, body aside. */
const canaryHeaders = (place: string): Record<string, string> => ({
  traceparent: `00-${randomBytes(16).toString('hex')}-${'1'.repeat(16)}-01`,
  tracestate: `vendor=${canary}-tracestate`,
  baggage: `user=${canary}-baggage,email=${encodeURIComponent(emailAt('baggage'))}`,
  'user-agent': `${canary}-agent`,
  'idempotency-key': `${canary}-key-${place}`,
  authorization: `Bearer ${canary}-authorization`,
  cookie: `session=${canary}-cookie`,
  referer: `http://${canary}-referer.example.com/`,
  forwarded: `for=${canary}-forwarded;host=${canary}-forwarded.example.com`,
  'x-forwarded-for': `${canary}-forwarded`,
  'x-request-id': `${canary}-request-id`,
  [`x-${canary}`]: `${canary}-header`,
  'x-forwarded-host': `${canary}-forwarded.example.com`,
})

const checkout = (place: string, changes: Partial<Parameters<typeof sampleCheckout>[0]> = {}) => {
  const request = sampleCheckout({ email: emailAt(place), ...changes })
  return { ...request, user: { ...request.user, name: `${canary}-name ${place}` } }
}

const outcomes = [
  { place: 'completed', changes: {}, status: 'completed' },
  { place: 'declined', changes: { token: `tok_${canary}` }, status: 'compensated' },
  { place: 'sold-out', changes: { sku: 'SAGA-POSTER' }, status: 'compensated' },
  { place: 'blocked', changes: { email: `${canary}-blocked@blocked.example` }, status: 'rejected' },
  { place: 'flaky', changes: { token: 'tok_flaky' }, status: 'completed' },
] as const

describe('what is personal', function () {
  this.timeout(20 * 60_000) // where nothing is cached yet, the servers are compiled first

  let startedAt = 0
  let stack: Stack
  let services: Services
  let impatient: Services
  let kafka: KafkaForTests
  const answers: GatewayAnswer[] = []
  const accepted: { readonly checkoutId: string; readonly traceId: string }[] = []

  before(async () => {
    stack = await stackForTests()
    await stack.allReady
    startedAt = Date.now()
    services = await prepareServices(stack)
    ;[impatient] = await Promise.all([
      startImpatientGateway(stack, 3_000),
      ...services.names.map((name) => services.up(name)),
    ])
    kafka = await kafkaForTests([...topics, deadLetterTopic])
    await placeEveryCheckout()
    await sendWhatIsRefused()
    await sendPoison()
    await untilTelemetryHasArrived()
  })
  after(async () => {
    await kafka.stop()
    await Promise.all([services.down(), impatient.down()])
  })

  const withQuery = (path: string) =>
    `${path}?email=${encodeURIComponent(emailAt('query'))}&name=${canary}-query&token=tok_${canary}`

  async function post(
    body: unknown,
    headers: Record<string, string>,
    { gatewayUrl }: Services = services,
  ): Promise<GatewayAnswer> {
    const answer = await postCheckout(gatewayUrl, body, headers, withQuery('/checkouts'))
    answers.push(answer)
    return answer
  }

  async function place(where: string, body: unknown, at?: Services): Promise<Accepted> {
    const answer = await post(body, canaryHeaders(where), at)
    equal(answer.status, 202, JSON.stringify(answer.body))
    const { checkoutId, traceId } = answer.body as Accepted
    accepted.push({ checkoutId, traceId })
    return answer.body as Accepted
  }

  async function placeEveryCheckout(): Promise<void> {
    for (const { place: where, changes, status } of outcomes) {
      const { checkoutId } = await place(where, checkout(where, changes))
      equal((await untilEnded(services.gatewayUrl, checkoutId)).status, status, where)
    }
    await services.server('payments').down()
    const { checkoutId } = await place('expired', checkout('expired'), impatient)
    await eventually('the deadline', async () => {
      const view = await readJson('the gateway', new URL(`/checkouts/${checkoutId}`, services.gatewayUrl))
      return JSON.stringify(view).includes('CheckoutExpired') || undefined
    })
    await services.server('payments').up()
    equal((await untilEnded(services.gatewayUrl, checkoutId)).reason, 'checkout_expired')
    for (const { checkoutId } of accepted) {
      const url = new URL(withQuery(`/checkouts/${checkoutId}`), services.gatewayUrl)
      const seen = await fetch(url, { headers: canaryHeaders('get') })
      answers.push({ status: seen.status, headers: seen.headers, body: await seen.json() })
    }
  }

  async function sendWhatIsRefused(): Promise<void> {
    const good = checkout('refused')
    const headers = canaryHeaders('refused')
    const json = JSON.stringify(good)
    const refused: [number, unknown, Record<string, string>][] = [
      [400, json.slice(0, -1), headers],
      [400, `${canary}-body`, headers],
      [400, good, { ...headers, 'idempotency-key': `${canary} two words` }],
      [413, `${json.slice(0, -1)},"${canary}":"${'x'.repeat(100_000)}"}`, headers],
      [415, json, { ...headers, 'content-type': `text/plain; name=${canary}-media-type` }],
      [422, { ...good, extra: `${canary}-extra` }, headers],
      [422, { ...good, user: { ...good.user, email: `${canary} is no email` } }, headers],
      [422, { ...good, order: { items: [{ sku: `${canary}-sku`, quantity: 1 }] } }, headers],
      [422, { user: `${canary}-user`, order: `${canary}-order`, payment: [`tok_${canary}`] }, headers],
      // The key of the first, with another body.
      [422, good, canaryHeaders('completed')],
    ]
    for (const [status, body, sent] of refused) equal((await post(body, sent)).status, status)

    // Problem documents name the path that was asked for, so these answers are not looked at.
    for (const path of [
      `/checkouts/${emailAt('path')}`,
      `/users/${encodeURIComponent(`${canary} ${emailAt('path')}`)}`,
    ]) {
      const { status } = await fetch(new URL(path, services.gatewayUrl), { headers: canaryHeaders('path') })
      equal(status, 404)
    }
  }

  async function sendPoison(): Promise<void> {
    const headers = (changes: Record<string, string>) => ({
      [poisonHeader]: 'yes',
      ce_specversion: '1.0',
      ce_id: `tests/${canary.slice('canary-'.length)}`,
      ce_source: '/tests',
      ce_type: 'dev.sagascope.CheckoutRequested.v1',
      ce_subject: 'poison',
      ce_time: new Date().toISOString(),
      'content-type': 'application/json',
      ...changes,
    })
    const email = emailAt('poison')
    const wrong = { ...checkout('poison'), user: { email: `${canary} is no email`, [canary]: canary } }
    const messages = [
      { key: 'poison', value: `{"email":"${email}"`, headers: headers({}) },
      { key: 'poison', value: `${canary}-poison`, headers: headers({}) },
      { key: 'poison', value: JSON.stringify(wrong), headers: headers({}) },
      { key: 'poison', value: JSON.stringify(checkout('poison')), headers: headers({ ce_type: email }) },
      { key: 'poison', value: '{}', headers: headers({ ce_type: `dev.sagascope.${canary} .v1` }) },
      { key: email, value: '{}', headers: headers({ ce_subject: email, ce_id: email, ce_time: email }) },
      {
        key: email,
        value: null,
        headers: { [poisonHeader]: 'yes', baggage: `email=${email}`, [canary]: canary },
      },
    ]
    await kafka.send(messages.map((message) => ({ topic: 'checkouts', ...message })))
    await eventually('a dead letter of every poison message', () => {
      const letters = kafka.messages.filter(
        ({ topic, headers }) => topic === deadLetterTopic && poisonHeader in headers,
      )
      return Promise.resolve(letters.length >= messages.length || undefined)
    })
  }

  const sinceSeconds = () => startedAt / 1_000
  const exemplars = async () =>
    JSON.stringify(
      await readJson(
        'Prometheus',
        exemplarsUrl(stack.urls.prometheusUrl, '{__name__=~".+"}', sinceSeconds(), Date.now() / 1_000 + 60),
      ),
    )

  async function untilTelemetryHasArrived(): Promise<void> {
    for (const { headers } of answers) {
      const traceId = headers.get('traceresponse')?.split('-')[1] ?? ''
      await eventually(`trace ${traceId} in Jaeger and its lines in Elasticsearch`, async () => {
        const spans = await fetchTrace(stack.urls.jaegerUrl, traceId)
        const lines = await logsOfTrace(stack.urls.elasticsearchUrl, traceId)
        return (spans?.length && lines.length) || undefined
      })
    }
    await eventually('the spans of the dead letters', async () => {
      return (await allTraces()).includes(`send ${deadLetterTopic}`) || undefined
    })
    const last = accepted.at(-1)?.traceId ?? ''
    await eventually(
      'exemplars of the last checkout',
      async () => (await exemplars()).includes(last) || undefined,
    )
  }

  /** Every trace of every service, as OTLP: attributes, events, links, names, states. */
  async function allTraces(): Promise<string> {
    const found = await Promise.all(
      services.names.map(async (service) => {
        const url = new URL('/api/v3/traces', stack.urls.jaegerUrl)
        url.searchParams.set('query.service_name', service)
        url.searchParams.set('query.start_time_min', new Date(startedAt).toISOString())
        url.searchParams.set('query.start_time_max', new Date(Date.now() + 60_000).toISOString())
        url.searchParams.set('query.num_traces', '10000')
        url.searchParams.set('query.raw_traces', 'true') // shared/backends/jaeger.ts says why
        const answer = await fetch(url)
        ok(answer.ok, `Jaeger answered ${answer.status}`)
        return answer.text()
      }),
    )
    return found.join('\n')
  }

  /** Every document of Elasticsearch that a service has written since the start. */
  async function allDocuments(): Promise<Record<string, unknown>[]> {
    const documents: Record<string, unknown>[] = []
    const url = new URL('/_all/_search', stack.urls.elasticsearchUrl)
    const query = {
      bool: {
        must: [
          { range: { '@timestamp': { gte: startedAt } } },
          { terms: { 'resource.attributes.service.name': services.names } },
        ],
      },
    }
    for (let after: unknown[] | undefined = []; after;) {
      const page = (await readJson('Elasticsearch', url, {
        query,
        size: 1_000,
        sort: [{ '@timestamp': 'asc' }, { span_id: 'asc' }, { _doc: 'asc' }],
        ...(after.length > 0 && { search_after: after }),
      })) as { hits: { hits: { _source: Record<string, unknown>; sort: unknown[] }[] } }
      documents.push(...page.hits.hits.map((hit) => hit._source))
      after = page.hits.hits.at(-1)?.sort
    }
    return documents
  }

  /** What every process has written to standard output and error, by file. */
  const outputs = (): [string, string][] =>
    readdirSync(stack.runDirectory)
      .filter((name) => name.endsWith('.log'))
      .map((name) => [name, readFileSync(join(stack.runDirectory, name), 'utf8')])

  /** Where in a text a canary or a mask is, with what stands around it. */
  const leaksIn = (text: string, wanted: readonly string[] = [canary, mask]): string[] =>
    wanted.flatMap((word) =>
      text
        .split(word)
        .slice(0, -1)
        .map((before, index, parts) => `${before.slice(-120)}${word}${(parts[index + 1] ?? '').slice(0, 40)}`)
        .slice(0, 5),
    )

  it('is where it belongs, in the values of messages', () => {
    const values = kafka.messages.map(({ value }) => value?.toString() ?? '').join('\n')
    for (const { place: where } of outcomes) ok(values.includes(`${canary}-name ${where}`), where)
    ok(values.includes(`tok_${canary}`))
  })

  it('is in no document of Elasticsearch', async () => {
    const documents = await allDocuments()
    for (const { checkoutId } of accepted) {
      ok(
        documents.some((document) => JSON.stringify(document).includes(checkoutId)),
        'what is looked at is whole',
      )
    }
    deepEqual(
      documents.flatMap((document) => leaksIn(JSON.stringify(document))),
      [],
    )
  })

  it('is in no trace', async () => {
    const traces = await allTraces()
    for (const { traceId } of accepted) ok(traces.includes(traceId), 'what is looked at is whole')
    deepEqual(leaksIn(traces), [])
  })

  it('is in no label and no exemplar of a metric', async () => {
    const url = new URL('/api/v1/series', stack.urls.prometheusUrl)
    url.searchParams.set('match[]', '{__name__=~".+"}')
    url.searchParams.set('start', String(sinceSeconds()))
    const series = JSON.stringify(await readJson('Prometheus', url))
    ok(series.includes('user_registered_total'), 'what is looked at is whole')
    deepEqual(leaksIn(series, [canary]), [])
    deepEqual(leaksIn(await exemplars()), [])
  })

  it('is in no key and no header of a message that a service has written', () => {
    const written = kafka.messages.map(({ topic, key, headers }) => {
      if (!(poisonHeader in headers)) return { topic, key, headers }
      // A dead letter has the key and the headers that it came with; those that say why are the service's.
      const added = Object.entries(headers).filter(([name]) => name.startsWith('dead-letter-'))
      return { topic, headers: Object.fromEntries(added) }
    })
    ok(written.some(({ headers }) => 'dead-letter-error-message' in headers))
    deepEqual(leaksIn(JSON.stringify(written)), [])
  })

  it("is in none of the gateway's answers", () => {
    ok(answers.length > 20)
    const texts = answers.map(({ headers, body }) => JSON.stringify([[...headers], body]))
    deepEqual(leaksIn(texts.join('\n')), [])
  })

  it('is in no output of any process', () => {
    const files = outputs()
    for (const name of services.names) ok(files.some(([file]) => file === `${name}.log`))
    deepEqual(
      files.flatMap(([file, text]) => leaksIn(text, [canary]).map((leak) => `${file}: ${leak}`)),
      [],
    )
  })

  describe('log lines', () => {
    const eventName = (line: Record<string, unknown>) =>
      (line.attributes as Record<string, unknown>)['event.name']

    it('have a stable name and a service, and of a checkout its id, trace and span', async () => {
      const documents = await allDocuments()
      const ids = new Set(accepted.map(({ checkoutId }) => checkoutId))
      for (const document of documents) {
        const { body, attributes } = document as {
          body: { text: string }
          attributes: Record<string, unknown>
        }
        ok(/^[a-z_]+\.[a-z_]+$/.test(String(eventName(document))), `${body.text} has a name`)
        if (!ids.has(String(attributes['saga.id']))) continue
        ok(/^[0-9a-f]{32}$/.test(String(document.trace_id)), body.text)
        ok(/^[0-9a-f]{16}$/.test(String(document.span_id)), body.text)
      }
      for (const { traceId } of accepted) {
        for (const { attributes, message } of await logsOfTrace(stack.urls.elasticsearchUrl, traceId)) {
          ok(ids.has(String(attributes['saga.id'])), message)
        }
      }
    })

    it('are one document each: as many as on standard output, and one a request and a message', async () => {
      for (const { traceId } of accepted) {
        const lines = await logsOfTrace(stack.urls.elasticsearchUrl, traceId)
        const stored = lines.map(({ time, service, spanId, message, attributes }) =>
          [Date.parse(time), service, spanId, message, attributes['event.name']].join(' '),
        )
        const printed = outputs()
          .flatMap(([, text]) => text.split('\n'))
          .filter((line) => line.startsWith('{') && line.includes(traceId))
          .map((line) => JSON.parse(line) as Record<string, string>)
          .map((line) =>
            [Date.parse(line.time ?? ''), line.name, line.span_id, line.msg, line['event.name']].join(' '),
          )
        deepEqual(stored.sort(), printed.sort())

        const requests = lines.filter(({ attributes }) => attributes['event.name'] === 'http.request')
        equal(requests.length, 1)
        const handled = lines
          .filter(({ attributes }) => attributes['event.name'] === 'message.handled')
          .map(({ service, attributes }) => `${service} ${String(attributes['messaging.message.id'])}`)
        ok(handled.length >= 3)
        equal(new Set(handled).size, handled.length)
      }
    })
  })
})
