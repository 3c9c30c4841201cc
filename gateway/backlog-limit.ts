/**
 * Whether one more checkout may be promised. A 202 outlives the loss of Kafka, since what it promises is in the store;
 * but a backlog that only grows ends in promises that are not kept in time.
 */
import type { Waiting } from '../producers/outbox/outbox.ts'
import { Problem } from './problem.ts'

export interface BacklogLimits {
  /** Commits accepted and not on Kafka yet, from which on checkouts are refused; those being written come on top ... */
  readonly commits: number
  /** ... and the age of the oldest, in milliseconds, from which on they are. */
  readonly ageMillis: number
}

/** They are accepted again when the backlog is down to this share of both limits, so that answers do not flicker. */
const resumeShare = 0.5
const retryAfterSeconds = 10

export class BacklogLimit {
  readonly #limits: BacklogLimits
  readonly #waiting: () => Waiting
  #isRefusing = false

  constructor(limits: BacklogLimits, waiting: () => Waiting) {
    this.#limits = limits
    this.#waiting = waiting
  }

  /** @throws Problem backlog_full */
  requireRoom(): void {
    const { commits, oldestAgeMillis } = this.#waiting()
    const fill = Math.max(commits / this.#limits.commits, oldestAgeMillis / this.#limits.ageMillis)
    if (fill >= 1) this.#isRefusing = true
    else if (fill <= resumeShare) this.#isRefusing = false
    if (!this.#isRefusing) return
    throw new Problem(
      'backlog_full',
      'Kafka is behind with what was accepted before. Nothing was done for this request; send it again later.',
      { headers: { 'Retry-After': retryAfterSeconds.toString() } },
    )
  }
}
