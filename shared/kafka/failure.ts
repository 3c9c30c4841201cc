/** Which failures pass by themselves. Callers ask the property, never the text. */
import {
  MongoError,
  MongoErrorLabel,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb'

/**
 * A server that stops, or has stopped being the primary. The driver puts its label on writes only:
 * https://github.com/mongodb/specifications/blob/master/source/retryable-reads/retryable-reads.md#retryable-error
 */
const passingCodes = new Set<unknown>([
  6, 7, 89, 91, 134, 189, 262, 9_001, 10_107, 11_600, 11_602, 13_435, 13_436,
])

/** A connection that broke in the middle of a write comes through the driver as it came from the system. */
const passingSystemCodes = new Set<unknown>(['EPIPE', 'ECONNRESET', 'ECONNREFUSED', 'ETIMEDOUT'])

/** True: wait and it works again. False: it never will. Undefined: nobody said. */
export function isRetriable(error: unknown): boolean | undefined {
  if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) return true
  if (error instanceof MongoError && error.hasErrorLabel(MongoErrorLabel.RetryableWriteError)) return true
  if (error instanceof MongoServerError && passingCodes.has(error.code)) return true
  if (typeof error !== 'object' || error === null) return undefined
  if ('retriable' in error) return typeof error.retriable === 'boolean' ? error.retriable : undefined
  return 'code' in error && passingSystemCodes.has(error.code) ? true : undefined
}
