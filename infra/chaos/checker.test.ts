import { deepEqual, equal } from 'node:assert/strict'
import type { FindingKind } from './checker.ts'
import { check, findingKinds } from './checker.ts'
import type {
  Answer,
  End,
  Evidence,
  ServiceWithStore,
  StoredCommit,
  StoredEvent,
  TopicMessage,
  Told,
} from './evidence.ts'
import { topicOfService } from './evidence.ts'

/** Everything of a run that can be changed, to seed a defect. */
type Draft = { -readonly [Part in keyof Evidence]: Evidence[Part][number][] }

const defects: readonly {
  readonly kind: FindingKind
  readonly when: string
  readonly seed: (draft: Draft) => void
}[] = [
  {
    kind: 'lost',
    when: 'the store knows nothing of a 202',
    seed: ({ told }) => told.push(telling('Nobody', 'completed', [accepted('gone')])),
  },
  {
    kind: 'not-terminal',
    when: 'the end of a checkout is missing',
    seed: (draft) => without(draft, 'checkout/declined@2'),
  },
  {
    kind: 'several-ends',
    when: 'a checkout ends twice',
    seed: (draft) =>
      commit(draft, 'checkout/declined@3', event('CheckoutCompensated', { reason: 'card_declined' })),
  },
  {
    kind: 'wrong-end',
    when: 'a declined checkout was to complete',
    seed: ({ told }) =>
      replace(
        told,
        ({ marker }) => marker === 'declined',
        (it) => ({ ...it, expects: 'completed' as const }),
      ),
  },
  {
    kind: 'captured-twice',
    when: 'the ledger has two captures',
    seed: ({ ledger }) => ledger.push({ checkoutId: 'completed', kind: 'captured', amount: 1_250 }),
  },
  {
    kind: 'money-left',
    when: 'an expired checkout is not refunded',
    seed: (draft) => (draft.ledger = draft.ledger.filter(({ kind }) => kind !== 'refunded')),
  },
  {
    kind: 'money-left',
    when: 'a refund is made twice',
    seed: ({ ledger }) => ledger.push({ checkoutId: 'expired', kind: 'refunded', amount: 1_250 }),
  },
  {
    kind: 'money-left',
    when: 'money is taken for nobody',
    seed: ({ ledger }) => ledger.push({ checkoutId: 'nobody', kind: 'captured', amount: 1 }),
  },
  {
    kind: 'completed-without-capture',
    when: 'the ledger has no capture of a completed checkout',
    seed: (draft) => (draft.ledger = draft.ledger.filter(({ checkoutId }) => checkoutId !== 'completed')),
  },
  {
    kind: 'wrong-amount',
    when: 'less was taken than ordered',
    seed: ({ ledger }) =>
      replace(
        ledger,
        ({ checkoutId }) => checkoutId === 'completed',
        (it) => ({ ...it, amount: 1 }),
      ),
  },
  {
    kind: 'captured-but-declined',
    when: 'the ledger took what the store says was declined',
    seed: ({ ledger }) => ledger.push({ checkoutId: 'declined', kind: 'captured', amount: 1_250 }),
  },
  {
    kind: 'idempotency-broken',
    when: 'a request that was repeated made a second checkout',
    seed: (draft) => rejectedCheckout(draft, 'second', 'rejected'),
  },
  {
    kind: 'unasked',
    when: 'there is a checkout of nobody',
    seed: (draft) => rejectedCheckout(draft, 'stranger', 'Stranger'),
  },
  {
    kind: 'unasked',
    when: 'there is a checkout that was refused',
    seed: (draft) => {
      rejectedCheckout(draft, 'refused', 'Refused')
      draft.told.push(telling('Refused', 'rejected', [{ kind: 'refused', status: 422, atMillis: 0 }]))
    },
  },
  {
    kind: 'answered-twice',
    when: 'two commits have one cause',
    seed: ({ commits }) =>
      replace(
        commits,
        ({ id }) => id === 'orders/completed@2',
        (it) => ({ ...it, causedBy: 'orders/completed@1 caused' }),
      ),
  },
  {
    kind: 'gap',
    when: 'a version is missing in the middle',
    seed: (draft) => {
      without(draft, 'users/completed@1')
      commit(draft, 'users/completed@2', event('UserRegistered', { userId: 'user-ada-1' }))
    },
  },
  {
    kind: 'not-published',
    when: 'a commit is not on its topic',
    seed: (draft) =>
      (draft.messages = draft.messages.filter(({ eventId }) => eventId !== 'orders/completed@2/0')),
  },
  {
    kind: 'not-committed',
    when: 'a message comes from no commit',
    seed: ({ messages }) =>
      messages.push({ ...message('orders', 'completed'), eventId: 'orders/completed@9/0' }),
  },
  {
    kind: 'not-committed',
    when: 'a message has no id',
    seed: ({ messages }) => messages.push({ ...message('orders', 'completed'), eventId: undefined }),
  },
  {
    kind: 'out-of-order',
    when: 'a later commit of a stream is first on its topic',
    seed: ({ messages }) =>
      replace(
        messages,
        ({ eventId }) => eventId === 'orders/completed@1/0',
        (it) => ({ ...it, offset: 999 }),
      ),
  },
  {
    kind: 'message-differs',
    when: 'other data is on the topic than was committed',
    seed: ({ messages }) =>
      replace(
        messages,
        ({ eventId }) => eventId === 'payments/completed@1/0',
        (it) => ({ ...it, data: { total: 0 } }),
      ),
  },
  {
    kind: 'message-differs',
    when: 'a message lies under another key',
    seed: ({ messages }) =>
      replace(
        messages,
        ({ eventId }) => eventId === 'payments/completed@1/0',
        (it) => ({ ...it, key: 'declined' }),
      ),
  },
  {
    kind: 'register-inconsistent',
    when: 'a user is revoked on whom a completed checkout relies',
    seed: (draft) => {
      replaceEvent(draft, 'users/kept@2', event('RegistrationRevoked', { userId: 'user-ada-1' }))
    },
  },
  {
    kind: 'register-inconsistent',
    when: 'a user whom nobody relies on is never revoked',
    seed: (draft) => {
      replaceEvent(draft, 'users/declined@2', event('RegistrationKept', { userId: 'user-bob-1' }))
    },
  },
  {
    kind: 'register-inconsistent',
    when: 'the register counts more than there are',
    seed: ({ register }) => register.push({ email: 'ada', version: 4, userId: 'user-ada-1', claims: 2 }),
  },
  {
    kind: 'register-inconsistent',
    when: 'one email is two users',
    seed: (draft) => {
      completedCheckout(draft, 'other', 'ada@example.com', 'user-eve-1')
      draft.register.push({ email: 'eve', version: 1, userId: 'user-eve-1', claims: 1 })
    },
  },
  {
    kind: 'dead-letter',
    when: 'there is a dead letter',
    seed: ({ deadLetters }) =>
      deadLetters.push({ origin: 'orders/3@7', consumerGroup: 'sagascope-orders', error: 'not_json' }),
  },
]

describe('the checker', () => {
  it('finds nothing where nothing is wrong, and counts', () => {
    const { findings, counts } = check(wholesomeRun())
    deepEqual(findings, [])
    deepEqual(counts, {
      accepted: 5,
      refused: 0,
      unanswered: 0,
      repeatedAnswers: 1,
      failedRequests: { timeout: 1, reset: 1 },
      ended: { completed: 1, compensated: 3, rejected: 1 },
      expired: 1,
      lastEndAtMillis: counts.lastEndAtMillis,
      commits: 33,
      messages: 33,
      duplicateMessages: 0,
    })
  })

  for (const { kind, when, seed } of defects) {
    it(`finds one thing, ${kind}, when ${when}`, () => {
      const draft = wholesomeRun()
      seed(draft)
      deepEqual(
        check(draft).findings.map((finding) => finding.kind),
        [kind],
      )
    })
  }

  it('is tried with a defect of every kind', () => {
    deepEqual(new Set(defects.map(({ kind }) => kind)), new Set(Object.keys(findingKinds)))
  })

  it('takes an expired checkout for what it is, whatever it was to become', () => {
    const draft = wholesomeRun()
    equal(draft.told.find(({ marker }) => marker === 'expired')?.expects, 'completed')
    deepEqual(check(draft).findings, [])
  })

  it('counts copies of a message, and says nothing against them', () => {
    const draft = wholesomeRun()
    const [first] = draft.messages
    if (first) draft.messages.push({ ...first, offset: 900 }, { ...first, offset: 901 })
    const { findings, counts } = check(draft)
    deepEqual([findings, counts.duplicateMessages], [[], 2])
  })

  it('takes no copy that comes late for out of order', () => {
    const draft = wholesomeRun()
    const copied = draft.messages.find(({ eventId }) => eventId === 'orders/completed@1/0')
    if (copied) draft.messages.push({ ...copied, offset: 999 })
    deepEqual(check(draft).findings, [])
  })

  it('knows of a client without an answer nothing but that', () => {
    const draft = wholesomeRun()
    draft.told.push(telling('Unheard', 'completed', [{ kind: 'none', why: 'timeout', atMillis: 0 }]))
    const { findings, counts } = check(draft)
    deepEqual([findings, counts.unanswered], [[], 1])
  })
})

const total = { amount: 1_250, currency: 'EUR' }
const reason = 'card_declined'

/** One checkout of each kind, each whole. */
function wholesomeRun(): Draft {
  const draft: Draft = { told: [], commits: [], ledger: [], register: [], messages: [], deadLetters: [] }
  completedCheckout(draft, 'completed', 'ada@example.com', 'user-ada-1')
  const answered = [
    ...['timeout', 'reset'].map((why) => ({ kind: 'none', why, atMillis: 1 }) as const),
    accepted('completed'),
  ]
  draft.told.push(telling('completed', 'completed', [...answered, accepted('completed')]))

  compensatedCheckout(draft, 'declined', 'bob@example.com', 'user-bob-1', 'RegistrationRevoked')
  draft.told.push(telling('declined', 'compensated', [accepted('declined')]))
  compensatedCheckout(draft, 'kept', 'ada@example.com', 'user-ada-1', 'RegistrationKept')
  draft.told.push(telling('kept', 'compensated', [accepted('kept')]))

  commit(draft, 'checkout/expired@1', requested('expired', 'cy@example.com'))
  commit(draft, 'users/expired@1', event('UserRegistered', { userId: 'user-cy-1' }))
  commit(draft, 'orders/expired@1', event('OrderPlaced', { total }))
  commit(draft, 'payments/expired@1', event('PaymentCaptured', { total }))
  commit(draft, 'checkout/expired@2', event('CheckoutExpired', { reason: 'checkout_expired' }))
  commit(draft, 'payments/expired@2', event('PaymentRefunded', { total, reason: 'checkout_expired' }))
  commit(draft, 'orders/expired@2', event('OrderConfirmed', {}))
  commit(draft, 'orders/expired@3', event('OrderCancelled', { reason: 'checkout_expired' }))
  commit(draft, 'users/expired@2', event('RegistrationRevoked', { userId: 'user-cy-1' }))
  commit(draft, 'checkout/expired@3', event('CheckoutCompensated', { reason: 'checkout_expired' }))
  for (const kind of ['captured', 'refunded'])
    draft.ledger.push({ checkoutId: 'expired', kind, amount: 1_250 })
  draft.told.push(telling('expired', 'completed', [accepted('expired')]))

  rejectedCheckout(draft, 'rejected', 'rejected')
  draft.told.push(telling('rejected', 'rejected', [accepted('rejected')]))

  draft.register.push(
    { email: 'ada', version: 1, userId: 'user-ada-1', claims: 1 },
    { email: 'ada', version: 2, userId: 'user-ada-1', claims: 2 },
    { email: 'ada', version: 3, userId: 'user-ada-1', claims: 1 },
    { email: 'bob', version: 1, userId: 'user-bob-1', claims: 1 },
    { email: 'bob', version: 2, userId: 'user-bob-1', claims: 0 },
    { email: 'cy', version: 1, userId: 'user-cy-1', claims: 1 },
    { email: 'cy', version: 2, userId: 'user-cy-1', claims: 0 },
  )
  return draft
}

function completedCheckout(draft: Draft, id: string, email: string, userId: string): void {
  commit(draft, `checkout/${id}@1`, requested(id, email))
  commit(draft, `users/${id}@1`, event('UserRegistered', { userId }))
  commit(draft, `orders/${id}@1`, event('OrderPlaced', { total }))
  commit(draft, `payments/${id}@1`, event('PaymentCaptured', { total }))
  commit(draft, `orders/${id}@2`, event('OrderConfirmed', {}))
  commit(draft, `checkout/${id}@2`, event('CheckoutCompleted', {}))
  draft.ledger.push({ checkoutId: id, kind: 'captured', amount: 1_250 })
  if (id !== 'completed') draft.told.push(telling(id, 'completed', [accepted(id)]))
}

function compensatedCheckout(draft: Draft, id: string, email: string, userId: string, release: string): void {
  commit(draft, `checkout/${id}@1`, requested(id, email))
  commit(draft, `users/${id}@1`, event('UserRegistered', { userId }))
  commit(draft, `orders/${id}@1`, event('OrderPlaced', { total }))
  commit(draft, `payments/${id}@1`, event('PaymentDeclined', { reason }))
  commit(draft, `orders/${id}@2`, event('OrderCancelled', { reason }))
  commit(draft, `users/${id}@2`, event(release, { userId, reason }))
  commit(draft, `checkout/${id}@2`, event('CheckoutCompensated', { reason }))
  draft.ledger.push({ checkoutId: id, kind: 'declined', amount: 0 })
}

function rejectedCheckout(draft: Draft, id: string, name: string): void {
  commit(draft, `checkout/${id}@1`, requested(name, `${id}@blocked.example`))
  commit(draft, `users/${id}@1`, event('RegistrationRejected', {}))
  commit(draft, `checkout/${id}@2`, event('CheckoutRejected', { reason: 'email_domain_blocked' }))
}

const event = (type: string, data: Record<string, unknown>): StoredEvent => ({ type, data })
const requested = (name: string, email: string): StoredEvent =>
  event('CheckoutRequested', { user: { name, email } })
const accepted = (checkoutId: string): Answer => ({ kind: 'accepted', checkoutId, atMillis: 0 })
const telling = (marker: string, expects: End, answers: readonly Answer[]): Told => ({
  marker,
  hasKey: true,
  expects,
  answers,
})

/** Commits one event, and publishes it. */
function commit(draft: Draft, id: string, ...events: StoredEvent[]): void {
  const { service, checkoutId, version } = parts(id)
  const causedBy = `${id} caused`
  const atMillis = 1_000 + draft.commits.length
  draft.commits.push({ service, id, checkoutId, version, causedBy, atMillis, events, writer: 'w', seq: 1 })
  for (const [index, { type, data }] of events.entries()) {
    const eventId = `${id}/${index}`
    draft.messages.push({
      ...message(service, checkoutId),
      offset: draft.messages.length,
      eventId,
      type,
      data,
    })
  }
}

function parts(id: string): Pick<StoredCommit, 'service' | 'checkoutId' | 'version'> {
  const [service = '', checkoutId = '', version = ''] = id.split(/[/@]/)
  return { service: service as ServiceWithStore, checkoutId, version: Number(version) }
}

const message = (service: ServiceWithStore, key: string): TopicMessage => ({
  topic: topicOfService[service],
  partition: 0,
  offset: 1_000,
  key,
  eventId: undefined,
  type: 'Unknown',
  data: {},
})

function without(draft: Draft, id: string): void {
  draft.commits = draft.commits.filter((each) => each.id !== id)
  draft.messages = draft.messages.filter(({ eventId }) => eventId !== `${id}/0`)
}

function replaceEvent(draft: Draft, id: string, changed: StoredEvent): void {
  replace(
    draft.commits,
    (each) => each.id === id,
    (it) => ({ ...it, events: [changed] }),
  )
  replace(
    draft.messages,
    ({ eventId }) => eventId === `${id}/0`,
    (it) => ({ ...it, ...changed }),
  )
}

function replace<Item>(items: Item[], isIt: (item: Item) => boolean, change: (item: Item) => Item): void {
  for (const [index, item] of items.entries()) if (isIt(item)) items[index] = change(item)
}
