import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { seededRandom } from '../../infra/chaos/random.ts'
import { findProduct } from '../../shared/saga/catalogue.ts'
import { findPaymentToken } from '../../shared/saga/payment-tokens.ts'
import type { Emails, Mix, PlannedCheckout } from './mix.ts'
import { checkoutsOf, kindNames } from './mix.ts'

function take(count: number, mix: Mix, emails: Emails = { run: 'r' }, seed = 1): PlannedCheckout[] {
  const next = checkoutsOf(mix, emails, seededRandom(seed))
  return Array.from({ length: count }, next)
}

describe('a mix of checkouts', () => {
  it('has each kind as often as its weight says', () => {
    const checkouts = take(10_000, { completed: 6, declined: 3, blocked: 1, slow: 0 })
    const shareOf = (name: string) => checkouts.filter(({ kind }) => kind === name).length / checkouts.length
    for (const [name, share] of [
      ['completed', 0.6],
      ['declined', 0.3],
      ['blocked', 0.1],
    ] as const) {
      ok(Math.abs(shareOf(name) - share) < 0.02, `${shareOf(name)} are ${name}`)
    }
    equal(shareOf('slow'), 0)
  })

  it('is made of what can be bought and how it can be paid', () => {
    for (const kind of kindNames) {
      for (const { request } of take(50, { [kind]: 1 })) {
        const [item] = request.order.items
        const product = findProduct(item?.sku ?? '')
        const token = findPaymentToken(request.payment.token)
        const isPaid =
          !token?.declines && token?.delayMillis === undefined && !token?.failures && !token?.breaks
        deepEqual(
          {
            inStock: product?.inStock,
            withinLimit: (item?.quantity ?? 0) <= (product?.limitPerOrder ?? 0),
            blocked: request.user.email.endsWith('@blocked.example'),
            own: request.user.email.endsWith('@example.com'),
            isPaid,
          },
          {
            inStock: kind !== 'out-of-stock',
            withinLimit: !['over-limit', 'out-of-stock'].includes(kind) || (item?.quantity ?? 0) === 1,
            blocked: kind === 'blocked',
            own: kind !== 'blocked',
            isPaid: !['declined', 'slow', 'flaky', 'broken'].includes(kind),
          },
          kind,
        )
      }
    }
  })

  it('is the same for the same seed, but for the emails of its run', () => {
    const mix = { completed: 5, declined: 5 }
    const withoutRun = (checkouts: readonly PlannedCheckout[], run: string): unknown =>
      JSON.parse(JSON.stringify(checkouts).replaceAll(`load-${run}-`, ''))
    deepEqual(
      withoutRun(take(50, mix, { run: 'one' }), 'one'),
      withoutRun(take(50, mix, { run: 'two' }), 'two'),
    )
    ok(JSON.stringify(take(50, mix, { run: 'one' }, 1)) !== JSON.stringify(take(50, mix, { run: 'one' }, 2)))
  })

  it('gives each checkout its own email, or spreads them among some', () => {
    const emailsOf = (emails: Emails) =>
      new Set(take(500, { completed: 1 }, emails).map(({ request }) => request.user.email)).size
    equal(emailsOf({ run: 'r' }), 500)
    equal(emailsOf({ run: 'r', shared: 7 }), 7)
  })

  it('refuses a kind that there is not', () => {
    throws(() => take(1, { completed: 1, eaten: 1 }), /the mix has no kind eaten/)
    throws(() => take(1, { completed: 0 }), /nothing in it/)
  })
})
