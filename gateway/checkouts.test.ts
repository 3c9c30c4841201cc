import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { SpanKind } from '@opentelemetry/api'
import type { EventStore } from '../shared/kernel/event-store.ts'
import { NotSent } from '../shared/process/coalescer.ts'
import type { SagaEvent } from '../shared/saga/events.ts'
import type { CheckoutView } from './checkout-view.ts'
import { acceptedView, checkoutView } from './checkout-view.ts'
import { BacklogLimit } from './backlog-limit.ts'
import type { GatewayUnderTest } from './gateway-under-test.ts'
import { dependenciesFor, goodRequest, startGateway } from './gateway-under-test.ts'
import { InMemoryEventStore } from './in-memory-event-store.ts'
import type { ProblemDocument } from './problem.ts'
import { StoreGuard } from './store-guard.ts'

const { order, payment } = goodRequest
const registered: SagaEvent = {
  type: 'UserRegistered',
  data: { userId: 'u1', existing: false, order, payment },
}
const completed: SagaEvent = { type: 'CheckoutCompleted', data: { orderId: 'o1' } }

let gateway: GatewayUnderTest
const startOne = async (): Promise<void> => {
  gateway = await startGateway()
}
const closeOne = (): Promise<void> => gateway.close()

const accepted = async (response: Response) => {
  strictEqual(response.status, 202)
  return acceptedView.parse(await response.json())
}
const view = async (checkoutId: string): Promise<CheckoutView> =>
  checkoutView.parse(await (await gateway.get(`/checkouts/${checkoutId}`)).json())

describe('POST /checkouts', () => {
  beforeEach(startOne)
  afterEach(closeOne)

  it('answers 202 with where to look, and with its trace', async () => {
    const response = await gateway.post(goodRequest)
    const { checkoutId, traceId, links } = await accepted(response)
    match(checkoutId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    strictEqual(response.headers.get('location'), `/checkouts/${checkoutId}`)
    deepStrictEqual(links, { self: `/checkouts/${checkoutId}`, events: `/checkouts/${checkoutId}/events` })
    strictEqual(response.headers.get('traceresponse')?.split('-')[1], traceId)
  })

  it('has the request in the store before it answers, with a deadline', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const { commits } = await gateway.stores.checkout.read(checkoutId)
    const [commit] = commits
    strictEqual(commit?.causedBy, `request/${checkoutId}`)
    const [requested] = commit.events
    ok(requested?.event.type === 'CheckoutRequested')
    strictEqual(Date.parse(requested.event.data.deadline) - Date.parse(requested.time), 60_000)
  })

  it('continues the trace of its caller, down to the commit', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const { checkoutId, traceId } = await accepted(await gateway.post(goodRequest, { traceparent }))
    strictEqual(traceId, '0af7651916cd43dd8448eb211c80319c')
    const { commits } = await gateway.stores.checkout.read(checkoutId)
    match(commits[0]?.traceHeaders.traceparent ?? '', /^00-0af7651916cd43dd8448eb211c80319c-/)
  })

  it('puts the checkout on the server span', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const span = await eventually(() =>
      gateway.spans.getFinishedSpans().find(({ kind }) => kind === SpanKind.SERVER),
    )
    strictEqual(span.attributes['saga.id'], checkoutId)
  })

  it('publishes once what it accepted', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    await eventually(() => gateway.published[0])
    deepStrictEqual(
      gateway.published.map((commit) => commit.id),
      [`checkout/${checkoutId}@1`],
    )
  })

  it('does not wait for what it publishes', async () => {
    await gateway.close()
    gateway = await startGateway({ publish: () => new Promise(() => undefined) })
    await accepted(await gateway.post(goodRequest))
  })

  it('gives every request without a key a checkout of its own', async () => {
    const first = await accepted(await gateway.post(goodRequest))
    const second = await accepted(await gateway.post(goodRequest))
    notStrictEqual(first.checkoutId, second.checkoutId)
  })

  it('refuses wrong fields by name, and writes nothing', async () => {
    const response = await gateway.post({ ...goodRequest, order: { items: [{ sku: 'NO', quantity: 0 }] } })
    strictEqual(response.status, 422)
    const { errors } = (await response.json()) as ProblemDocument
    deepStrictEqual(
      errors?.map(({ pointer }) => pointer),
      ['/order/items/0/sku', '/order/items/0/quantity'],
    )
    strictEqual(gateway.stores.checkout.streamCount, 0)
  })
})

describe('POST /checkouts, when there is no room or no store', () => {
  afterEach(closeOne)

  const problemOf = async (response: Response, code: string): Promise<ProblemDocument> => {
    strictEqual(response.status, 503)
    match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
    const problem = (await response.json()) as ProblemDocument
    strictEqual(problem.type, `/problems/${code}`)
    return problem
  }
  const impatient = () =>
    new StoreGuard({
      timeoutMillis: 30,
      underWayLimit: 10,
      ping: () => Promise.resolve(),
      pingIntervalMillis: 5,
    })
  /** Takes what it is given, and does not say so before it is told to. */
  const freeze = (store: InMemoryEventStore): { thaw: () => void } => {
    const frozen = Promise.withResolvers<undefined>()
    const append = store.append.bind(store)
    store.append = async (commit) => {
      await frozen.promise
      return append(commit)
    }
    return { thaw: () => frozen.resolve(undefined) }
  }
  const key = { 'idempotency-key': 'a-key' }

  it('refuses while the backlog is full, before it touches the store, and accepts again when it is not', async () => {
    let commits = 10
    const backlogLimit = new BacklogLimit({ commits: 10, ageMillis: 1_000 }, () => ({
      commits,
      oldestAgeMillis: 0,
    }))
    gateway = await startGateway({ backlogLimit })
    await problemOf(await gateway.post(goodRequest, key), 'backlog_full')
    strictEqual(gateway.stores.checkout.streamCount, 0)
    commits = 5
    await accepted(await gateway.post(goodRequest, key))
  })

  it('still says what is wrong with a request, and where a checkout stands, while the backlog is full', async () => {
    const backlogLimit = new BacklogLimit({ commits: 10, ageMillis: 1_000 }, () => ({
      commits: gateway.stores.checkout.streamCount * 10,
      oldestAgeMillis: 0,
    }))
    gateway = await startGateway({ backlogLimit })
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    await problemOf(await gateway.post(goodRequest), 'backlog_full')
    strictEqual((await gateway.post({})).status, 422)
    strictEqual((await view(checkoutId)).status, 'requested')
  })

  it('says in time that it does not know when the store does not answer, and how to find out', async () => {
    gateway = await startGateway({ storeGuard: impatient() })
    const { thaw } = freeze(gateway.stores.checkout)
    const { detail } = await problemOf(await gateway.post(goodRequest, key), 'outcome_unknown')
    match(detail, /Send it again with the same Idempotency-Key/)
    const [, named = ''] = /\/checkouts\/([0-9a-f-]{36})/.exec(detail) ?? []
    thaw()
    const { checkoutId } = await eventually(async () => {
      const response = await gateway.post(goodRequest, key)
      return response.status === 202 ? accepted(response) : undefined
    })
    strictEqual(checkoutId, named)
    strictEqual(gateway.stores.checkout.streamCount, 1)
  })

  it('publishes what the store took late, although nobody was promised it', async () => {
    gateway = await startGateway({ storeGuard: impatient() })
    const { thaw } = freeze(gateway.stores.checkout)
    await problemOf(await gateway.post(goodRequest), 'outcome_unknown')
    thaw()
    await eventually(() => gateway.published[0])
    strictEqual(gateway.published.length, 1)
  })

  it('accepts nothing of a request that waited in the process, behind others, for a store that is frozen', async () => {
    const { register } = dependenciesFor({} as never)
    const store = new InMemoryEventStore('checkout')
    // As GroupInsert does with what has not left the process.
    const append: EventStore['append'] = (_commit, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new NotSent(signal.reason)))
      })
    const find = store.find.bind(store)
    gateway = await startGateway({
      storeGuard: impatient(),
      register: { ...register, store: { append, find } },
    })
    const { detail } = await problemOf(await gateway.post(goodRequest, key), 'store_unavailable')
    match(detail, /^Nothing was accepted/)
    strictEqual(store.streamCount, 0)
  })

  it('answers at once when it has as much in hand as it may', async () => {
    const storeGuard = new StoreGuard({
      timeoutMillis: 5_000,
      underWayLimit: 1,
      ping: () => Promise.resolve(),
    })
    gateway = await startGateway({ storeGuard })
    const { thaw } = freeze(gateway.stores.checkout)
    const first = gateway.post(goodRequest)
    await eventually(async () => {
      const response = await gateway.get('/checkouts/nobodys')
      return response.status === 503 ? problemOf(response, 'overloaded') : undefined
    })
    thaw()
    await accepted(await first)
  })
})

describe('POST /checkouts with an Idempotency-Key', () => {
  beforeEach(startOne)
  afterEach(closeOne)

  const key = { 'idempotency-key': 'a-key' }

  it('gives the same checkout and the first trace, however often it is sent', async () => {
    const first = await accepted(await gateway.post(goodRequest, key))
    const second = await accepted(await gateway.post(goodRequest, key))
    deepStrictEqual(second, first)
    strictEqual(gateway.published.length, 1)
  })

  it('gives one checkout to requests that race', async () => {
    const responses = await Promise.all(Array.from({ length: 50 }, () => gateway.post(goodRequest, key)))
    const views = await Promise.all(responses.map(accepted))
    strictEqual(new Set(views.map(({ checkoutId, traceId }) => `${checkoutId} ${traceId}`)).size, 1)
    strictEqual(gateway.stores.checkout.streamCount, 1)
    await eventually(() => gateway.published[0])
    strictEqual(gateway.published.length, 1)
  })

  it('takes a body for the same that has its fields in another order and other blanks between them', async () => {
    const first = await accepted(await gateway.post(goodRequest, key))
    const [item] = goodRequest.order.items
    const reordered = {
      payment: goodRequest.payment,
      order: { items: [{ quantity: item?.quantity, sku: item?.sku }] },
      user: { name: goodRequest.user.name, email: goodRequest.user.email },
    }
    deepStrictEqual(await accepted(await gateway.post(JSON.stringify(reordered, null, 4), key)), first)
  })

  it('refuses another body under the same key', async () => {
    await accepted(await gateway.post(goodRequest, key))
    const response = await gateway.post({ ...goodRequest, payment: { token: 'tok_slow' } }, key)
    strictEqual(response.status, 422)
    strictEqual(((await response.json()) as ProblemDocument).type, '/problems/idempotency_key_reused')
  })

  it('publishes again what a gateway may have died with before it had', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest, key))
    await accepted(await gateway.post(goodRequest, key))
    const again = await eventually(() => gateway.republished[0])
    strictEqual(again.checkoutId, checkoutId)
  })

  it('gives different checkouts to different keys', async () => {
    const ids = await Promise.all(
      ['a-key', 'another-key', 'a-key '.trim()].map(
        async (name) =>
          (await accepted(await gateway.post(goodRequest, { 'idempotency-key': name }))).checkoutId,
      ),
    )
    strictEqual(new Set(ids).size, 2)
  })

  it('refuses a key that is none', async () => {
    const response = await gateway.post(goodRequest, { 'idempotency-key': 'two words' })
    strictEqual(response.status, 400)
    strictEqual(((await response.json()) as ProblemDocument).type, '/problems/invalid_idempotency_key')
  })
})

describe('GET /checkouts/{checkoutId}', () => {
  beforeEach(startOne)
  afterEach(closeOne)

  it('shows the steps of all services, and nobody’s email, name or token', async () => {
    const { checkoutId, traceId } = await accepted(await gateway.post(goodRequest))
    await gateway.happen('users', checkoutId, `checkout/${checkoutId}@1/0`, registered)
    const response = await gateway.get(`/checkouts/${checkoutId}`)
    const text = await response.text()
    const shown = checkoutView.parse(JSON.parse(text))
    strictEqual(shown.status, 'registered')
    strictEqual(shown.traceId, traceId)
    deepStrictEqual(
      shown.steps.map(({ type, service }) => [type, service]),
      [
        ['CheckoutRequested', 'checkout'],
        ['UserRegistered', 'users'],
      ],
    )
    for (const secret of [goodRequest.user.email, goodRequest.user.name, payment.token])
      ok(!text.includes(secret))
  })

  it('gives the reason once there is one', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const rejected: SagaEvent = { type: 'RegistrationRejected', data: { reason: 'email_domain_blocked' } }
    await gateway.happen('users', checkoutId, `checkout/${checkoutId}@1/0`, rejected)
    strictEqual((await view(checkoutId)).reason, 'email_domain_blocked')
  })

  it('is never a 404 after a 202', async () => {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { checkoutId } = await accepted(await gateway.post(goodRequest))
        strictEqual((await view(checkoutId)).checkoutId, checkoutId)
      }),
    )
  })

  for (const id of [
    '00000000-0000-4000-8000-000000000000',
    '%00',
    '..%2f..',
    '%7B%24ne%3A1%7D',
    'a'.repeat(500),
    '%',
  ]) {
    it(`refuses an id that nobody was given: ${id.slice(0, 40)}`, async () => {
      const response = await gateway.get(`/checkouts/${id}`)
      strictEqual(response.status, 404)
      strictEqual(((await response.json()) as ProblemDocument).type, '/problems/checkout_not_found')
    })
  }
})

describe('GET /checkouts/{checkoutId}/events', () => {
  beforeEach(startOne)
  afterEach(closeOne)

  const eventsOf = (checkoutId: string, headers = {}) =>
    gateway.get(`/checkouts/${checkoutId}/events`, headers)

  it('replays what there is, follows live, and ends after the terminal step', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const response = await eventsOf(checkoutId)
    strictEqual(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
    const stream = new Reading(response)
    await stream.until(/type":"CheckoutRequested"/)
    const id = await gateway.happen('users', checkoutId, `checkout/${checkoutId}@1/0`, registered)
    await stream.until(new RegExp(`id: ${id}\nevent: step\ndata: `))
    await gateway.happen('checkout', checkoutId, `orders/${checkoutId}@2/0`, completed)
    await stream.until(/CheckoutCompleted[\s\S]*event: end\ndata: \{"status":"completed"\}\n\n/)
    await stream.end()
  })

  it('resumes after Last-Event-ID', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const id = await gateway.happen('users', checkoutId, `checkout/${checkoutId}@1/0`, registered)
    await gateway.happen('checkout', checkoutId, id, completed)
    const text = await (await eventsOf(checkoutId, { 'last-event-id': id })).text()
    deepStrictEqual(text.match(/^event: \w+$/gm), ['event: step', 'event: end'])
    ok(text.includes('CheckoutCompleted'))
  })

  it('replays everything after a Last-Event-ID that it does not know', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    await gateway.happen('checkout', checkoutId, 'x', completed)
    const text = await (await eventsOf(checkoutId, { 'last-event-id': 'nonsense' })).text()
    deepStrictEqual(text.match(/^event: \w+$/gm), ['event: step', 'event: step', 'event: end'])
  })

  it('tells a client that has had the terminal step not to come back', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const id = await gateway.happen('checkout', checkoutId, 'x', completed)
    strictEqual((await eventsOf(checkoutId, { 'last-event-id': id })).status, 204)
  })

  it('sends heartbeats while nothing happens', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const stream = new Reading(await eventsOf(checkoutId))
    await stream.until(/: still here\n\n[\s\S]*: still here\n\n/)
    await stream.cancel()
  })

  it('refuses more streams than it can serve, until one closes', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const open = await Promise.all([1, 2, 3].map(() => eventsOf(checkoutId)))
    const refused = await eventsOf(checkoutId)
    strictEqual(refused.status, 503)
    strictEqual(refused.headers.get('retry-after'), '10')
    strictEqual(((await refused.json()) as ProblemDocument).type, '/problems/too_many_streams')
    await open[0]?.body?.cancel()
    await eventually(async () => ((await eventsOf(checkoutId)).status === 200 ? true : undefined))
    for (const response of open.slice(1)) await response.body?.cancel()
  })

  it('answers HEAD without opening a stream', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    for (let times = 0; times < 5; times++) {
      const response = await fetch(`${gateway.url}/checkouts/${checkoutId}/events`, { method: 'HEAD' })
      strictEqual(response.status, 200)
    }
  })

  it('ends when the process drains, so that the client goes elsewhere', async () => {
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const stream = new Reading(await eventsOf(checkoutId))
    await stream.until(/CheckoutRequested/)
    gateway.drain.abort()
    await stream.end()
    ok(!stream.text.includes('event: end'))
  })

  it('follows a checkout that never ends only for a while past its deadline', async () => {
    await gateway.close()
    gateway = await startGateway({
      streamLimits: {
        concurrent: 1,
        pollIntervalMillis: 5,
        heartbeatIntervalMillis: 1_000,
        beyondDeadlineMillis: -60_000,
      },
    })
    const { checkoutId } = await accepted(await gateway.post(goodRequest))
    const text = await (await eventsOf(checkoutId)).text()
    match(text, /event: end\ndata: \{"status":"requested"\}/)
  })

  it('refuses to follow a checkout that there is not', async () => {
    strictEqual((await eventsOf('nobodys')).status, 404)
  })
})

/** Reads a response as it comes in. */
class Reading {
  text = ''
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>

  constructor(response: Response) {
    strictEqual(response.status, 200)
    ok(response.body)
    this.#reader = response.body.getReader()
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) {
      const { done, value } = await this.#reader.read()
      if (done) throw new Error(`ended before ${pattern.source}: ${this.text}`)
      this.text += Buffer.from(value).toString()
    }
  }

  async end(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read()
      if (done) return
      this.text += Buffer.from(value).toString()
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel()
  }
}

async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let looks = 0; looks < 200; looks++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it did not come about')
}
