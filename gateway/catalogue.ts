/** What can be bought, and how to pay for it: all that a caller needs to write a request. */
import { z } from 'zod'
import { catalogue } from '../shared/saga/catalogue.ts'
import { paymentTokens } from '../shared/saga/payment-tokens.ts'

export const catalogueView = z.strictObject({
  products: z.array(
    z.strictObject({
      sku: z.string(),
      name: z.string(),
      price: z.strictObject({
        amount: z.int().meta({ description: 'In minor units of the currency (cents)' }),
        currency: z.literal('EUR'),
      }),
      inStock: z.boolean(),
      limitPerOrder: z.int(),
    }),
  ),
  paymentTokens: z.array(
    z.strictObject({
      token: z.string(),
      what: z.string().meta({ description: 'What becomes of a payment with it' }),
    }),
  ),
})

export const showCatalogue = (): z.infer<typeof catalogueView> => ({
  products: catalogue.map((product) => ({ ...product })),
  paymentTokens: Object.entries(paymentTokens).map(([token, { what }]) => ({ token, what })),
})
