/** A handler takes a message; a middleware wraps a handler, one file and one concern each. */
import type { Logger } from '../telemetry/logger.ts'
import type { IncomingMessage } from './cloud-events.ts'

export interface Handling {
  readonly message: IncomingMessage
  readonly log: Logger
  /** Tells the broker that this consumer lives, while a handler waits. */
  readonly heartbeat: () => Promise<void>
  /** Keeps the message's offset from being committed until the work is done; its checkout does not wait for that. */
  readonly holdOffset: (work: Promise<unknown>) => void
  /** Aborted when the process drains: what waits gives up, and the message is delivered again. */
  readonly signal: AbortSignal
  /** How often the handler has been tried in this delivery, the try under way included; `retried` counts. */
  readonly attempts: { made: number }
}

/** What became of a message; for the log. */
export type Outcome = 'answered' | 'nothing to answer' | 'dead-lettered'

export type Handler = (handling: Handling) => Promise<Outcome>
export type Middleware = (next: Handler) => Handler

/** The first middleware is the outermost. */
export const compose = (middleware: readonly Middleware[], handler: Handler): Handler =>
  middleware.reduceRight((next, wrap) => wrap(next), handler)
