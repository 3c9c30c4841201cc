/**
 * What a caller may send: the contract's shapes, made strict. The gateway is the trust boundary, so a field
 * that it does not know is refused here, where the contract would drop it.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { catalogue, findProduct } from '../shared/saga/catalogue.ts'
import { limits, order, orderItem, payment, user } from '../shared/saga/events.ts'
import type { FieldError } from './problem.ts'
import { Problem } from './problem.ts'

const item = z.strictObject({
  ...orderItem.shape,
  // Whether it is in stock, or too many are asked for, is for the orders service to say.
  sku: orderItem.shape.sku
    .refine((sku) => findProduct(sku) !== undefined)
    .meta({ enum: catalogue.map(({ sku }) => sku) }),
})

export const checkoutRequest = z.strictObject({
  // The contract trims a name before it measures it, which JSON Schema cannot say otherwise.
  user: z.strictObject({ ...user.shape, name: user.shape.name.meta({ pattern: '\\S' }) }),
  order: z.strictObject({ ...order.shape, items: z.array(item).min(1).max(limits.itemsPerOrder) }),
  payment: z.strictObject(payment.shape),
})
export type CheckoutRequest = z.infer<typeof checkoutRequest>

/** A body of 64 KiB has room for thousands of faults; the answer names this many. */
const namedErrorsLimit = 100

/** @throws Problem validation_failed naming every wrong field, never a value */
export function parseCheckoutRequest(body: unknown): CheckoutRequest {
  const read = checkoutRequest.safeParse(body, { error: inWords })
  if (read.success) return read.data
  const errors = read.error.issues.flatMap(toFieldErrors)
  const detail = `${errors.length} ${errors.length === 1 ? 'field is' : 'fields are'} wrong.`
  throw new Problem('validation_failed', detail, { errors: errors.slice(0, namedErrorsLimit) })
}

/**
 * A digest that is the same for bodies that mean the same: however they are spelled, what was read from them
 * has its fields in the schema's order.
 */
export const fingerprintOf = ({ user, order, payment }: CheckoutRequest): string =>
  createHash('sha256')
    .update(JSON.stringify([user, order, payment]))
    .digest('hex')

function toFieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code !== 'unrecognized_keys') return [{ pointer: pointerTo(issue.path), detail: issue.message }]
  return issue.keys.map((key) => ({ pointer: pointerTo([...issue.path, key]), detail: issue.message }))
}

/** RFC 6901. */
const pointerTo = (path: readonly PropertyKey[]): string =>
  path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

const units: Readonly<Record<string, string>> = { string: ' characters', array: ' items' }

function inWords(issue: z.core.$ZodRawIssue): string {
  const { code, input } = issue
  if (input === undefined) return 'is required'
  if (code === 'invalid_type') return `must be of type ${issue.expected}`
  if (code === 'too_small') return `must be at least ${issue.minimum.toString()}${units[issue.origin] ?? ''}`
  if (code === 'too_big') return `must be at most ${issue.maximum.toString()}${units[issue.origin] ?? ''}`
  if (code === 'invalid_format') return `must be of the format ${issue.format}`
  if (code === 'unrecognized_keys') return 'is not a field of a checkout'
  if (code === 'custom') return 'is not in the catalogue; see /catalogue'
  return 'is wrong'
}
