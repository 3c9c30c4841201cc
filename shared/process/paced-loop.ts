/**
 * Looks for work again and again, for as long as the process runs. Looking may cost more than the work (where no index
 * helps it reads everything), so that it gets a share of the time and no more.
 */

/** Looking may take this share of the time. */
const lookTimeShare = 0.05
/** But the rest is no longer than so many intervals: a store that froze made one look long, and says nothing of the next. */
const longestRestIntervals = 12

export interface Look {
  /** How long it took to find out what there is to do. */
  readonly lookMillis: number
  /** There may be more: look again at once. */
  readonly isFull: boolean
}

export interface PacedLoop {
  readonly intervalMillis: number
  /** Before the first look. */
  readonly firstAfterMillis: number
  /** A look that failed; the next one comes after an interval. */
  readonly onFailure: (error: unknown) => void
}

/** @returns what ends it; resolves when the look under way has ended */
export function startPacedLoop(
  { intervalMillis, firstAfterMillis, onFailure }: PacedLoop,
  look: () => Promise<Look>,
): () => Promise<void> {
  let hasStopped = false
  let timer: NodeJS.Timeout
  let underWay = Promise.resolve()
  const schedule = (waitMillis: number): void => {
    timer = setTimeout(() => {
      underWay = look().then(
        (seen) => next(restMillis(seen)),
        (error: unknown) => {
          onFailure(error)
          next(intervalMillis)
        },
      )
    }, waitMillis)
  }
  const next = (waitMillis: number): void => {
    if (!hasStopped) schedule(waitMillis)
  }
  const restMillis = ({ lookMillis, isFull }: Look): number => {
    if (isFull) return 0
    const longest = longestRestIntervals * intervalMillis
    return Math.max(intervalMillis, Math.min(lookMillis / lookTimeShare, longest))
  }
  schedule(firstAfterMillis)
  return async () => {
    hasStopped = true
    clearTimeout(timer)
    await underWay
  }
}
