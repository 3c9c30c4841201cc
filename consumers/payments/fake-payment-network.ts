/**
 * The payment network, a fake: nobody's money moves. It behaves as a real one would towards us: slow or
 * failing when its tokens say so, idempotent under the checkout id, and with a ledger of its own that survives
 * our crashes, in a database of its own. The tokens are how a user makes failures happen.
 *
 * The ledger rests on unique inserts: the first entry of a checkout (`@1`) is captured, declined or barred and
 * stands for good; the second (`@2`) can only be the refund of a capture.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Collection, Db } from 'mongodb'
import type { Money, Reason } from '../../shared/saga/events.ts'
import type { PaymentToken } from '../../shared/saga/payment-tokens.ts'
import { findPaymentToken } from '../../shared/saga/payment-tokens.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import { GroupInsert } from '../../shared/kernel/group-insert.ts'
import type { NetworkAnswer } from './decider.ts'

interface EntryOf<Kind extends string> {
  readonly _id: string
  readonly checkoutId: string
  readonly kind: Kind
  readonly at: Date
}
type FirstEntry =
  | (EntryOf<'captured'> & { readonly total: Money })
  | (EntryOf<'declined'> & { readonly reason: Reason })
  | EntryOf<'barred'>
type Refund = EntryOf<'refunded'> & { readonly total: Money }
export type LedgerEntry = FirstEntry | Refund
/** What the network writes by itself is left out. */
type Decision<Entry = FirstEntry> = Entry extends unknown ? Omit<Entry, '_id' | 'at'> : never

/** The network could not be reached or gave no answer; asking again is right. */
export class PaymentNetworkUnavailable extends Error {
  readonly code = 'payment_network_unavailable'
  readonly retriable = true
  constructor() {
    super('the payment network did not answer')
    this.name = 'PaymentNetworkUnavailable'
  }
}

/** The network answered, and not as agreed. Nobody can say whether asking again helps. */
export class UnreadableNetworkAnswer extends Error {
  readonly code = 'unreadable_network_answer'
  constructor() {
    super('the payment network answered what cannot be read')
    this.name = 'UnreadableNetworkAnswer'
  }
}

/** A network that answers one call late still answers the others, and late is better than not at all. */
const manners = { batchesUnderWay: 64, replyTimeoutMillis: 30_000 }

const unknownToken: Omit<PaymentToken, 'what'> = { declines: 'unknown_token' }

const tracer = trace.getTracer('sagascope')

export class FakePaymentNetwork {
  readonly #ledger: Collection<LedgerEntry>
  readonly #inserts: GroupInsert<LedgerEntry>
  readonly #failuresSoFar = new Map<string, number>()

  constructor(database: Db) {
    this.#ledger = database.collection<LedgerEntry>('ledger')
    this.#inserts = new GroupInsert<LedgerEntry>(database, 'ledger', manners)
  }

  /** Captures once; asked again it gives the answer that it gave first. */
  capture(checkoutId: string, token: string, total: Money): Promise<NetworkAnswer> {
    return asClient('capture', async () => {
      const { declines, delayMillis, failures = 0, breaks } = findPaymentToken(token) ?? unknownToken
      if (delayMillis !== undefined) await delay(delayMillis)
      if (breaks) throw new UnreadableNetworkAnswer()
      if (failures > 0) {
        const earlier = await this.#first(checkoutId)
        if (earlier) return toAnswer(earlier)
        this.#failFirst(checkoutId, failures)
      }
      const entry = await this.#enterFirst(
        declines
          ? { checkoutId, kind: 'declined', reason: declines }
          : { checkoutId, kind: 'captured', total },
      )
      return toAnswer(entry)
    })
  }

  /** Refunds what was captured, or bars a later capture. */
  cancel(checkoutId: string): Promise<NetworkAnswer> {
    return asClient('cancel', async () => {
      const first = await this.#enterFirst({ checkoutId, kind: 'barred' })
      this.#failuresSoFar.delete(checkoutId)
      if (first.kind !== 'captured') return toAnswer(first)
      failpoint('refund-due')
      const refund = { ...first, _id: `${checkoutId}@2`, kind: 'refunded', at: new Date() } as const
      await this.#insert(refund)
      return toAnswer(refund)
    })
  }

  async #enterFirst(entry: Decision): Promise<FirstEntry> {
    const first: FirstEntry = { _id: `${entry.checkoutId}@1`, at: new Date(), ...entry }
    if (await this.#insert(first)) return first
    const earlier = await this.#first(entry.checkoutId)
    if (!earlier) throw new PaymentNetworkUnavailable()
    return earlier
  }

  async #first(checkoutId: string): Promise<FirstEntry | undefined> {
    const entry = await this.#ledger.findOne({ _id: `${checkoutId}@1` })
    // A refund is only ever second.
    return entry && entry.kind !== 'refunded' ? entry : undefined
  }

  /** @returns false when the place was taken */
  async #insert(entry: LedgerEntry): Promise<boolean> {
    return (await this.#inserts.insert(entry)) === 'inserted'
  }

  #failFirst(checkoutId: string, failures: number): void {
    const soFar = this.#failuresSoFar.get(checkoutId) ?? 0
    if (soFar >= failures) {
      this.#failuresSoFar.delete(checkoutId)
      return
    }
    this.#failuresSoFar.set(checkoutId, soFar + 1)
    throw new PaymentNetworkUnavailable()
  }
}

function toAnswer(entry: LedgerEntry): NetworkAnswer {
  switch (entry.kind) {
    case 'captured':
    case 'refunded':
      return { kind: entry.kind, paymentId: `payment-${entry.checkoutId}`, total: entry.total }
    case 'declined':
      return { kind: entry.kind, reason: entry.reason }
    case 'barred':
      return { kind: entry.kind }
    default:
      return entry satisfies never
  }
}

/** Each call is a client span, as a call over HTTP to a real network would be. */
function asClient(operation: string, call: () => Promise<NetworkAnswer>): Promise<NetworkAnswer> {
  const options = { kind: SpanKind.CLIENT, attributes: { 'peer.service': 'payment-network' } }
  return tracer.startActiveSpan(`${operation} payment`, options, async (span) => {
    try {
      const answer = await call()
      if (answer) span.setAttribute('payment.outcome', answer.kind)
      return answer
    } catch (error) {
      span.recordException(error as Error)
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message })
      throw error
    } finally {
      span.end()
    }
  })
}
