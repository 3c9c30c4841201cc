import { deepEqual, equal, ok } from 'node:assert/strict'
import { checkoutRequest } from '../../checkout-request.ts'
import { showCatalogue } from '../../catalogue.ts'
import { scenariosOf, toRequest } from './scenarios.ts'

const scenarios = scenariosOf(showCatalogue())
const requestOf = (id: string) => {
  const scenario = scenarios.find((one) => one.id === id)
  ok(scenario, id)
  return toRequest(scenario.fields('ada@example.com'))
}

describe('what the form of the console offers', () => {
  it('has something for each payment token, and for whatever else can go wrong', () => {
    const expected = [
      ...showCatalogue().paymentTokens.map(({ token }) => token),
      'unknown-token',
      'out-of-stock-SAGA-POSTER',
      'over-limit',
      'blocked-email',
      'refused-product',
      'refused-quantity',
    ]
    deepEqual(
      scenarios.map(({ id }) => id),
      expected,
    )
  })

  it('is taken by the gateway, but for what is there to be refused', () => {
    for (const { id, group } of scenarios) {
      equal(checkoutRequest.safeParse(requestOf(id)).success, group !== 'Gateway', id)
    }
  })

  it('orders more than the limit, of what there is', () => {
    const [item] = requestOf('over-limit').order.items
    const product = showCatalogue().products.find(({ sku }) => sku === item?.sku)
    ok(product?.inStock && (item?.quantity ?? 0) > product.limitPerOrder)
  })

  it('keeps the name of whoever is blocked', () => {
    equal(requestOf('blocked-email').user.email, 'ada@blocked.example')
  })
})
