/**
 * The names by which telemetry may speak of a message. A message comes from anybody who may write to the topic,
 * and what is not of the shape that the contract gives it may hold anything, an email for instance: it is left out.
 */
import { isCheckoutId } from '../saga/checkout-id.ts'
import type { IncomingMessage } from './cloud-events.ts'
import { typeOf } from './cloud-events.ts'

type Named = Pick<IncomingMessage, 'key' | 'headers'>

/** The checkout that a message is about: by its subject, else by its key. */
export const checkoutNamedBy = ({ key, headers }: Named): string | undefined =>
  [headers.ce_subject, key].find(isCheckoutId)

/** `orders/<checkout id>@2/0` and the like; no blank and no dot, so neither a name in full nor an email. */
const messageIdPattern = /^[A-Za-z0-9_/@-]{1,256}$/

export const messageIdOf = ({ headers: { ce_id: id } }: Named): string | undefined =>
  id !== undefined && messageIdPattern.test(id) ? id : undefined

export const eventTypeOf = (message: Named): string | undefined => typeOf(message) && message.headers.ce_type
