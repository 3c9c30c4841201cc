/** The payment tokens that the fake payment network knows, and what each makes it do. */
import type { Reason } from './events.ts'

export interface PaymentToken {
  /** Why it is declined; left out when it is captured. */
  readonly declines?: Reason
  /** How long the network takes to answer. */
  readonly delayMillis?: number
  /** How often the network fails before it answers. */
  readonly failures?: number
  /** The network answers what nobody can read, every time. */
  readonly breaks?: true
  /** For people: what becomes of a payment with this token. */
  readonly what: string
}

/** Any other token is unknown to the network and declined. */
export const paymentTokens: Readonly<Record<string, PaymentToken>> = {
  tok_visa: { what: 'is captured' },
  tok_mastercard: { what: 'is captured' },
  tok_declined: { declines: 'card_declined', what: 'is declined: card_declined' },
  tok_insufficient_funds: { declines: 'insufficient_funds', what: 'is declined: insufficient_funds' },
  tok_expired: { declines: 'expired_card', what: 'is declined: expired_card' },
  tok_slow: { delayMillis: 2_000, what: 'is captured after 2 s' },
  tok_flaky: { failures: 2, what: 'fails twice with a network error, then is captured' },
  tok_broken: {
    breaks: true,
    what: 'is never answered in a way that can be read: dead-lettered, and taken back at the deadline',
  },
}

export const findPaymentToken = (token: string): PaymentToken | undefined =>
  Object.hasOwn(paymentTokens, token) ? paymentTokens[token] : undefined
