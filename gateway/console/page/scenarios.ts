/** What a checkout can be made to do, from what the gateway's catalogue lists. */
import { randomId } from './random-id.ts'
import type { Catalogue, CheckoutRequest } from './api.ts'

export interface Fields {
  readonly email: string
  readonly sku: string
  readonly quantity: number
  readonly token: string
}

export interface Scenario {
  readonly id: string
  readonly group: 'Payment' | 'Order' | 'Registration' | 'Gateway'
  readonly title: string
  readonly fields: (email: string) => Fields
}

/** Not in the catalogue. */
export const unknownSku = 'SAGA-NOTHING'
export const unknownToken = 'tok_nothing'

export function scenariosOf({ products, paymentTokens }: Catalogue): Scenario[] {
  const inStock = products.filter((product) => product.inStock)
  const good = { sku: inStock[0]?.sku ?? '', quantity: 2, token: paymentTokens[0]?.token ?? '' }
  // The smallest limit, so that what is over it is within what the gateway takes.
  const limited = inStock.toSorted((a, b) => a.limitPerOrder - b.limitPerOrder)[0]
  return [
    ...paymentTokens.map(({ token, what }) => ({
      id: token,
      group: 'Payment' as const,
      title: what,
      fields: (email: string) => ({ ...good, email, token }),
    })),
    {
      id: 'unknown-token',
      group: 'Payment',
      title: 'is declined: unknown_token',
      fields: (email) => ({ ...good, email, token: unknownToken }),
    },
    ...products
      .filter((product) => !product.inStock)
      .map(({ sku, name }) => ({
        id: `out-of-stock-${sku}`,
        group: 'Order' as const,
        title: `out of stock: ${name}`,
        fields: (email: string) => ({ ...good, email, sku, quantity: 1 }),
      })),
    ...(limited
      ? [
          {
            id: 'over-limit',
            group: 'Order' as const,
            title: `more than ${limited.limitPerOrder} of ${limited.name}`,
            fields: (email: string) => ({
              ...good,
              email,
              sku: limited.sku,
              quantity: limited.limitPerOrder + 1,
            }),
          },
        ]
      : []),
    {
      id: 'blocked-email',
      group: 'Registration',
      title: 'the email’s domain is blocked',
      fields: (email) => ({ ...good, email: email.replace(/@.*/, '@blocked.example') }),
    },
    {
      id: 'refused-product',
      group: 'Gateway',
      title: 'refuses the request: a product that there is not',
      fields: (email) => ({ ...good, email, sku: unknownSku }),
    },
    {
      id: 'refused-quantity',
      group: 'Gateway',
      title: 'refuses the request: none of it ordered',
      fields: (email) => ({ ...good, email, quantity: 0 }),
    },
  ]
}

export const toRequest = ({ email, sku, quantity, token }: Fields): CheckoutRequest => ({
  user: { email, name: 'Ada Example' },
  order: { items: [{ sku, quantity }] },
  payment: { token },
})

/** Of nobody else: one email is one user. */
export const freshEmail = (): string => `ada-${randomId().slice(0, 8)}@example.com`
