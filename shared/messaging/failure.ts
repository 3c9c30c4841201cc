/** Which failures pass by themselves. Callers ask the property, never the text. */
import { MongoError, MongoErrorLabel, MongoNetworkError, MongoServerSelectionError } from 'mongodb'

/** True: wait and it works again. False: it never will. Undefined: nobody said. */
export function isRetriable(error: unknown): boolean | undefined {
  if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) return true
  if (error instanceof MongoError && error.hasErrorLabel(MongoErrorLabel.RetryableWriteError)) return true
  if (typeof error === 'object' && error !== null && 'retriable' in error) {
    return typeof error.retriable === 'boolean' ? error.retriable : undefined
  }
  return undefined
}
