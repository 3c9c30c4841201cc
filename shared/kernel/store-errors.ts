/** What a failure of the store says about the write that met it. */
import {
  MongoErrorLabel,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from 'mongodb'
import { NotSent } from '../process/coalescer.ts'

/** True when an insert met a taken `_id` or a unique index (server error 11000). */
export const isDuplicateKey = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === 11_000

/** On an error of a connection on which the write was never begun. */
export const notSentLabel = 'SagascopeNotSent'

/**
 * True when the write cannot have reached the store: no server could be selected, the connection could not be
 * established, or the write was withdrawn before it left the process. Any other failure of a connection leaves the
 * outcome unknown.
 */
export function neverLeft(error: unknown): boolean {
  if (error instanceof NotSent) return true
  if (error instanceof MongoServerSelectionError || error instanceof MongoTopologyClosedError) return true
  if (!(error instanceof MongoError)) return false
  if (['MongoPoolClearedError', 'MongoPoolClosedError', 'MongoWaitQueueTimeoutError'].includes(error.name))
    return true
  if (error.hasErrorLabel(MongoErrorLabel.HandshakeError) || error.hasErrorLabel(notSentLabel)) return true
  // The driver's own word for a connection that could not be established.
  return error instanceof MongoNetworkError && error.hasErrorLabel(MongoErrorLabel.SystemOverloadedError)
}

/** True when the server has refused the write: it is not in the store. */
export const isRefused = (error: unknown): boolean =>
  error instanceof MongoServerError && !error.hasErrorLabel(MongoErrorLabel.RetryableWriteError)
