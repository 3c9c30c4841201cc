/** Which checkouts are placed: a fifth of them made to fail on their way, some repeated, some on a shared email. */
import type { CheckoutRequest } from '../verify/checkouts.ts'
import { sampleCheckout } from '../verify/checkouts.ts'
import type { End } from './evidence.ts'
import type { Random } from './random.ts'

export interface PlannedCheckout {
  /** The user's name, by which the checker knows whose checkout it is. */
  readonly marker: string
  readonly request: CheckoutRequest
  /** Without one the client does not repeat a request that got no answer. */
  readonly idempotencyKey: string | undefined
  /** How often the client asks again although it was told 202. */
  readonly repeats: number
  readonly expects: End
}

interface Kind {
  readonly ofThousand: number
  readonly expects: End
  readonly changes: { readonly token?: string; readonly sku?: string; readonly quantity?: number }
  readonly blocked?: boolean
}

/** The first is what is left of a thousand: it completes and nothing is in its way. */
const kinds: readonly [Kind, ...Kind[]] = [
  { ofThousand: 800, expects: 'completed', changes: {} },
  { ofThousand: 50, expects: 'compensated', changes: { token: 'tok_declined' } },
  { ofThousand: 20, expects: 'compensated', changes: { token: 'tok_insufficient_funds' } },
  { ofThousand: 40, expects: 'compensated', changes: { sku: 'SAGA-POSTER', quantity: 1 } },
  { ofThousand: 40, expects: 'rejected', changes: {}, blocked: true },
  { ofThousand: 20, expects: 'completed', changes: { token: 'tok_slow' } },
  { ofThousand: 30, expects: 'completed', changes: { token: 'tok_flaky' } },
]

/** Of a hundred. */
const withoutKey = 10
const repeated = 5
const onSharedEmail = 25

const sharedEmails = 40

/** @param run in the emails and keys, so that no two runs meet */
export function planCheckouts(count: number, run: string, random: Random): PlannedCheckout[] {
  return Array.from({ length: count }, (_, index) => {
    const { expects, changes, blocked = false } = kindAt(random.between(0, 1_000))
    const isIn = (percent: number) => random.between(0, 100) < percent
    const isShared = isIn(onSharedEmail) && !blocked
    const hasKey = !isIn(withoutKey)
    const local = isShared
      ? `shared-${Math.floor(random.between(0, sharedEmails))}-${run}`
      : `c${index}-${run}`
    const email = `${local}@${blocked ? 'blocked.example' : 'example.com'}`
    const marker = `Chaos ${run} ${index}`
    const request = { ...sampleCheckout({ email, ...changes }), user: { email, name: marker } }
    return {
      marker,
      request,
      expects,
      idempotencyKey: hasKey ? `chaos-${run}-${index}` : undefined,
      repeats: hasKey && isIn(repeated) ? 1 : 0,
    }
  })
}

function kindAt(place: number): Kind {
  let upTo = 0
  return kinds.find(({ ofThousand }) => (upTo += ofThousand) > place) ?? kinds[0]
}
