/** The kinds of checkouts that a load is mixed of, made from what can be bought and how it can be paid. */
import type { Random } from '../../infra/chaos/random.ts'
import type { CheckoutRequest } from '../../infra/verify/checkouts.ts'
import { catalogue } from '../../shared/saga/catalogue.ts'
import type { Product } from '../../shared/saga/catalogue.ts'
import type { PaymentToken } from '../../shared/saga/payment-tokens.ts'
import { paymentTokens } from '../../shared/saga/payment-tokens.ts'

export type End = 'completed' | 'compensated' | 'rejected'

export interface Kind {
  readonly ends: End
  /** For people. */
  readonly what: string
  readonly skus: readonly string[]
  /** More than one order may have of it. */
  readonly beyondLimit?: true
  readonly tokens: readonly string[]
  readonly domain?: string
}

const tokensWhere = (isWanted: (token: PaymentToken) => boolean): string[] =>
  Object.keys(paymentTokens).filter((name) => isWanted(paymentTokens[name] ?? { what: '' }))
const skusWhere = (isWanted: (product: Product) => boolean): string[] =>
  catalogue.filter(isWanted).map(({ sku }) => sku)

const inStock = skusWhere((product) => product.inStock)
const captured = tokensWhere(
  ({ declines, delayMillis, failures, breaks }) =>
    declines === undefined && delayMillis === undefined && failures === undefined && !breaks,
)

export const kinds: Readonly<Record<string, Kind>> = {
  completed: { ends: 'completed', what: 'nothing is in its way', skus: inStock, tokens: captured },
  declined: {
    ends: 'compensated',
    what: 'the payment is declined',
    skus: inStock,
    tokens: tokensWhere(({ declines }) => declines !== undefined),
  },
  'out-of-stock': {
    ends: 'compensated',
    what: 'the order is rejected: out_of_stock',
    skus: skusWhere((product) => !product.inStock),
    tokens: captured,
  },
  'over-limit': {
    ends: 'compensated',
    what: 'the order is rejected: quantity_limit_exceeded',
    skus: inStock,
    beyondLimit: true,
    tokens: captured,
  },
  blocked: {
    ends: 'rejected',
    what: 'the registration is rejected',
    skus: inStock,
    tokens: captured,
    domain: 'blocked.example',
  },
  slow: {
    ends: 'completed',
    what: 'the payment is captured late',
    skus: inStock,
    tokens: tokensWhere(({ delayMillis }) => delayMillis !== undefined),
  },
  flaky: {
    ends: 'completed',
    what: 'the payment network fails at first',
    skus: inStock,
    tokens: tokensWhere(({ failures }) => failures !== undefined),
  },
  broken: {
    ends: 'compensated',
    what: 'the payment is dead-lettered, and the checkout taken back at its deadline: --settle has to last until then',
    skus: inStock,
    tokens: tokensWhere(({ breaks }) => breaks === true),
  },
}

export const kindNames: readonly string[] = Object.keys(kinds)

/** Weights of kinds, in any unit. */
export type Mix = Readonly<Record<string, number>>

export const defaultMix: Mix = { completed: 90, declined: 5, 'out-of-stock': 3, blocked: 2 }

export interface PlannedCheckout {
  readonly kind: string
  readonly ends: End
  readonly request: CheckoutRequest
}

export interface Emails {
  /** In each of them, so that no two runs meet. */
  readonly run: string
  /** Each checkout has its own unless told. */
  readonly shared?: number
}

const highestQuantity = 3

/**
 * @returns the next checkout, each time it is called
 * @throws Error when the mix names a kind that there is not, or has no weight
 */
export function checkoutsOf(mix: Mix, { run, shared }: Emails, random: Random): () => PlannedCheckout {
  const weighed = Object.entries(mix).filter(([, weight]) => weight > 0)
  const strangers = weighed.filter(([name]) => !Object.hasOwn(kinds, name))
  if (strangers.length > 0)
    throw new Error(`the mix has no kind ${strangers.map(([name]) => name).join(', ')}`)
  const sum = weighed.reduce((all, [, weight]) => all + weight, 0)
  const choose = (): [string, Kind] => {
    let place = random.between(0, sum)
    const [name] = weighed.find(([, weight]) => (place -= weight) < 0) ?? weighed.at(-1) ?? []
    const kind = kinds[name ?? '']
    if (name === undefined || !kind) throw new Error('the mix has nothing in it')
    return [name, kind]
  }
  let count = 0
  return () => {
    const [name, kind] = choose()
    const own = count++
    const sku = oneOf(kind.skus, random)
    const token = oneOf(kind.tokens, random)
    const quantity = 1 + Math.floor(random.between(0, highestQuantity))
    const local =
      shared === undefined
        ? `load-${run}-${own}`
        : `load-${run}-shared-${Math.floor(random.between(0, shared))}`
    const email = `${local}@${kind.domain ?? 'example.com'}`
    return {
      kind: name,
      ends: kind.ends,
      request: {
        user: { email, name: 'Load Example' },
        order: { items: [{ sku, quantity: kind.beyondLimit ? limitOf(sku) + quantity : quantity }] },
        payment: { token },
      },
    }
  }
}

function oneOf(names: readonly string[], random: Random): string {
  const [first, ...others] = names
  if (first === undefined)
    throw new Error('neither the catalogue nor the payment tokens have what this kind needs')
  return random.pick([first, ...others])
}

const limitOf = (sku: string): number => catalogue.find((product) => product.sku === sku)?.limitPerOrder ?? 0
