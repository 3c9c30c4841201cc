/** What can be bought. Prices are in minor units (cents). */
import type { Money } from './events.ts'

export interface Product {
  readonly sku: string
  readonly name: string
  readonly price: Money
  readonly inStock: boolean
  /** The most of it that one order may ask for. */
  readonly limitPerOrder: number
}

const euros = (amount: number): Money => ({ amount, currency: 'EUR' })

export const catalogue: readonly Product[] = [
  { sku: 'SAGA-MUG', name: 'Mug', price: euros(12_50), inStock: true, limitPerOrder: 100 },
  { sku: 'SAGA-TEE', name: 'T-shirt', price: euros(24_00), inStock: true, limitPerOrder: 100 },
  { sku: 'SAGA-BOOK', name: 'The book of sagas', price: euros(39_90), inStock: true, limitPerOrder: 10 },
  { sku: 'SAGA-POSTER', name: 'Poster, first print', price: euros(75_00), inStock: false, limitPerOrder: 1 },
]

const bySku = new Map(catalogue.map((product) => [product.sku, product]))

export const findProduct = (sku: string): Product | undefined => bySku.get(sku)
