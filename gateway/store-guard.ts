/**
 * Work with the store, bounded in time and in number. The driver itself waits for as long as a socket lives, most of
 * a minute when a server is frozen. Once the store has kept somebody waiting it is asked for nothing but pings until
 * one is answered: requests fail at once, and none wait in the driver to be carried out unseen when it thaws.
 *
 * How many are let in follows from how soon they are answered. All clients that were refused meanwhile come back at
 * once, and a store that is given all of them answers each after its client has gone, which then comes back again:
 * it would be busy for ever and nobody would be served.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { MongoError, MongoServerError } from 'mongodb'
import { isRetriable } from '../shared/kafka/failure.ts'
import { neverLeft } from '../shared/kernel/store-errors.ts'
import { DeadlineExceeded, within } from '../shared/process/deadline.ts'
import { Problem } from './problem.ts'

export interface StoreGuardOptions {
  /** How long one piece of work may take; its answer is given up then. */
  readonly timeoutMillis: number
  /** How many may be under way at most, those included that nobody waits for any more. */
  readonly underWayLimit: number
  readonly ping: () => Promise<void>
  readonly pingIntervalMillis?: number
}

/** The store has not done what it was asked for, as far as is known. */
export class StoreTrouble extends Error {
  readonly code = 'store_trouble'
  readonly retriable = true
  /** False: the store was never asked, so nothing can have been written. */
  readonly wasAsked: boolean

  constructor(message: string, { wasAsked, ...options }: ErrorOptions & { readonly wasAsked: boolean }) {
    super(message, options)
    this.name = 'StoreTrouble'
    this.wasAsked = wasAsked
  }
}

const retryAfterSeconds = 1
/** Enough to keep any store busy; so many are let in always, and no more after it was in trouble. */
const leastLimit = 20
/** Of the time that work may take: what is answered within it lets one more in, what is answered later one fewer. */
const soonShare = 0.1

export class StoreGuard {
  readonly #options: StoreGuardOptions
  readonly #leastLimit: number
  #underWay = 0
  /** Of those under way: somebody waits for them. */
  #waitedFor = 0
  /** How many may be waited for. */
  #limit: number
  #isSuspect = false

  constructor(options: StoreGuardOptions) {
    this.#options = options
    this.#limit = options.underWayLimit
    this.#leastLimit = Math.min(leastLimit, options.underWayLimit)
  }

  /**
   * @param work is told by the signal when nobody waits for it any more
   * @throws StoreTrouble when the store fails or does not answer in time, and what the work threw otherwise
   * @throws Problem overloaded
   */
  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMillis, underWayLimit } = this.#options
    if (this.#isSuspect) {
      throw new StoreTrouble('not asked: the store did not answer a moment ago', { wasAsked: false })
    }
    if (this.#underWay >= underWayLimit || this.#waitedFor >= this.#limit) throw overloaded(this.#waitedFor)
    const givenUp = new AbortController()
    const startedAt = performance.now()
    this.#underWay++
    this.#waitedFor++
    const working = work(givenUp.signal).finally(() => {
      this.#underWay--
    })
    try {
      const result = await within(timeoutMillis, 'work with the store', working)
      this.#learn(performance.now() - startedAt)
      return result
    } catch (error) {
      if (error instanceof DeadlineExceeded) {
        givenUp.abort()
        void this.#suspect()
        if (await isWithdrawn(working))
          throw new StoreTrouble('not asked: it waited for others', { wasAsked: false })
      }
      throw isStoreTrouble(error)
        ? new StoreTrouble('the store failed', { wasAsked: !neverLeft(error), cause: error })
        : error
    } finally {
      this.#waitedFor--
    }
  }

  #learn(tookMillis: number): void {
    const { timeoutMillis, underWayLimit } = this.#options
    this.#limit =
      tookMillis <= soonShare * timeoutMillis
        ? Math.min(underWayLimit, this.#limit + 1)
        : Math.max(this.#leastLimit, this.#limit - 1)
  }

  async #suspect(): Promise<void> {
    if (this.#isSuspect) return
    this.#isSuspect = true
    const { ping, pingIntervalMillis = 500 } = this.#options
    // A ping that never comes back must not be the last: the driver may have lost its connection and no other.
    const answers = () =>
      within(pingIntervalMillis, 'a ping', ping()).then(
        () => true,
        () => false,
      )
    while (!(await answers())) {
      this.#limit = this.#leastLimit // it was not one answer that got lost
      await delay(pingIntervalMillis, undefined, { ref: false })
    }
    this.#isSuspect = false
  }
}

const overloaded = (limit: number): Problem =>
  new Problem('overloaded', `${limit} requests are in hand. Nothing was done for this one; send it again.`, {
    headers: { 'Retry-After': retryAfterSeconds.toString() },
  })

// https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
const passingServerErrors: readonly unknown[] = [1 /* InternalError */, 50 /* MaxTimeMSExpired */]

/** True for what is the store's or the network's fault, false for a defect of ours. */
function isStoreTrouble(error: unknown): boolean {
  if (error instanceof Problem) return false
  if (isRetriable(error) === true) return true
  if (error instanceof MongoServerError) return passingServerErrors.includes(error.code)
  if (error instanceof MongoError) return true // the driver's own: its pools, a connection that closes
  // When the server ends a connection during a write, the socket's error comes through as it is.
  return error instanceof Error && 'code' in error && /^E[A-Z]+$/.test(String(error.code))
}

/** Whether work that was given up had not asked the store for anything yet. */
async function isWithdrawn(working: Promise<unknown>): Promise<boolean> {
  const withdrawn = working.then(() => false, neverLeft)
  return Promise.race([withdrawn, new Promise<false>((resolve) => setImmediate(resolve, false))])
}
