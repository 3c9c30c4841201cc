import { MongoServerError } from 'mongodb'

/** True when an insert met a taken `_id` or a unique index (server error 11000). */
export const isDuplicateKey = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === 11_000
