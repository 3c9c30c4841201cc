/** One steady load from before the fault until after its end, measured phase by phase. */
import type { KafkaConnection } from '../../shared/kafka/kafka.ts'
import type { LoadResult } from '../../producers/load/load-result.ts'
import type { LoadProgress } from '../../producers/load/run-load.ts'
import { runLoad } from '../../producers/load/run-load.ts'

export interface PhasedLoadOptions {
  readonly gatewayUrl: string
  readonly kafka: Pick<KafkaConnection, 'client'>
  readonly ratePerSecond: number
  /** How long after its last arrival every checkout of a phase must be at its end. */
  readonly settleMillis: number
  readonly onSecond?: (phase: string, progress: LoadProgress) => void
}

interface Phase {
  readonly name: string
  readonly end: AbortController
  readonly result: Promise<LoadResult>
}

const longerThanAnyIncidentMillis = 3_600_000

export class PhasedLoad {
  readonly #options: PhasedLoadOptions
  readonly #giveUp = new AbortController()
  readonly #phases: Phase[] = []
  readonly #seen = new Map<string, LoadProgress>()

  constructor(options: PhasedLoadOptions) {
    this.#options = options
  }

  /**
   * Begins a phase: what arrives from now on is measured in it. The one before goes on until this one's arrivals have
   * begun, so that there is no gap, and ends when its last checkout does.
   * @throws what runLoad throws at its start
   */
  async begin(name: string): Promise<void> {
    const { gatewayUrl, kafka, ratePerSecond, settleMillis, onSecond } = this.#options
    const end = new AbortController()
    const begun = Promise.withResolvers<undefined>()
    const result = runLoad({
      gatewayUrl,
      startRatePerSecond: ratePerSecond,
      stages: [{ ratePerSecond, durationMillis: longerThanAnyIncidentMillis }],
      mix: { completed: 1 },
      ends: { by: 'kafka', kafka },
      // The first finds out whether there is a system at all; the others go on while something is wrong with it.
      evenIfNotReady: this.#phases.length > 0,
      settleMillis,
      tag: name,
      signal: end.signal,
      settleSignal: this.#giveUp.signal,
      onSecond: (progress) => {
        begun.resolve(undefined)
        this.#seen.set(name, progress)
        if (!end.signal.aborted) onSecond?.(name, progress)
      },
    })
    this.#phases.push({ name, end, result })
    await Promise.race([begun.promise, result])
    this.#phases.at(-2)?.end.abort()
  }

  /** How a phase stands, or stood at its end; undefined in its first second. */
  seen(name: string): LoadProgress | undefined {
    return this.#seen.get(name)
  }

  /** Ends the arrivals, waits for the last checkout, and gives what each phase has measured. */
  async end(): Promise<ReadonlyMap<string, LoadResult>> {
    this.#phases.at(-1)?.end.abort()
    const results = await Promise.all(
      this.#phases.map(async ({ name, result }) => [name, await result] as const),
    )
    return new Map(results)
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    for (const { end } of this.#phases) end.abort()
    this.#giveUp.abort()
    await Promise.allSettled(this.#phases.map(({ result }) => result))
  }
}
