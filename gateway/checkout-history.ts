/**
 * What has happened to one checkout, put together from the streams of all services.
 *
 * Four streams cannot be read at one moment, so a look may find a step and miss the one that it answers. But
 * a step is committed after the one that it answers; so looking until a look finds nothing new leaves no gap.
 */
import type { RecordedEvent, Service } from '../shared/saga/events.ts'
import type { Commit, EventStore } from '../shared/kernel/event-store.ts'

export type StreamReader = Pick<EventStore, 'service' | 'read'>

/** An event, and the service in whose stream it is. */
export interface HistoricEvent extends RecordedEvent {
  readonly service: Service
}

interface ServiceCommit extends Commit {
  readonly service: Service
}

export class CheckoutHistory {
  readonly checkoutId: string
  readonly #streams: readonly StreamReader[]
  readonly #versions = new Map<Service, number>()
  readonly #commits: ServiceCommit[] = []

  constructor(streams: readonly StreamReader[], checkoutId: string) {
    this.#streams = streams
    this.checkoutId = checkoutId
  }

  /** Reads what is new. @returns whether anything was */
  async advance(): Promise<boolean> {
    const before = this.#commits.length
    while (await this.#look());
    return this.#commits.length > before
  }

  /** The commit that opened the checkout; undefined when nobody asked for it. */
  get request(): Commit | undefined {
    return this.#commits.find(({ service, version }) => service === 'checkout' && version === 1)
  }

  /** All that is known so far, causes before effects. */
  get events(): readonly HistoricEvent[] {
    return inOrder(this.#commits).flatMap((commit) =>
      commit.events.map((event) => ({ ...event, service: commit.service })),
    )
  }

  /** The ids of an event and of all that led to it: what a reader that has the one has seen before. */
  upTo(eventId: string): ReadonlySet<string> {
    const leadingTo = predecessorsIn(this.#commits)
    const seen = new Set<string>()
    const add = (commit: ServiceCommit): void => {
      for (const event of commit.events) {
        if (seen.has(event.id)) return
        seen.add(event.id)
        if (event.id === eventId) break
      }
      leadingTo(commit).forEach(add)
    }
    this.#commits.filter((commit) => commit.events.some((event) => event.id === eventId)).forEach(add)
    return seen
  }

  async #look(): Promise<boolean> {
    const looks = await Promise.all(this.#streams.map((stream) => this.#readOn(stream)))
    return looks.some((foundSomething) => foundSomething)
  }

  async #readOn(stream: StreamReader): Promise<boolean> {
    const { service } = stream
    const { version, commits } = await stream.read(this.checkoutId, this.#versions.get(service) ?? 0)
    this.#versions.set(service, version)
    this.#commits.push(...commits.map((commit) => ({ ...commit, service })))
    return commits.length > 0
  }
}

/** What came directly before a commit: the one before it in its stream, and the one that it answers. */
function predecessorsIn(commits: readonly ServiceCommit[]): (commit: ServiceCommit) => ServiceCommit[] {
  const byPlace = new Map(commits.map((commit) => [`${commit.service}@${commit.version}`, commit]))
  const byEvent = new Map(commits.flatMap((commit) => commit.events.map(({ id }) => [id, commit] as const)))
  return (commit) => {
    const earlier = byPlace.get(`${commit.service}@${commit.version - 1}`)
    const cause = byEvent.get(commit.causedBy)
    return [earlier, cause].filter((predecessor) => predecessor !== undefined)
  }
}

interface Place {
  readonly timeMillis: number
  readonly depth: number
}

/**
 * By time, and what came at the same time by cause and effect. Services' clocks differ, so an effect whose clock
 * says that it came before its cause takes the cause's time.
 */
function inOrder(commits: readonly ServiceCommit[]): ServiceCommit[] {
  const leadingTo = predecessorsIn(commits)
  const places = new Map<string, Place>()
  const placeOf = (commit: ServiceCommit): Place => {
    const known = places.get(commit.id)
    if (known) return known
    const own = { timeMillis: Date.parse(commit.events[0]?.time ?? ''), depth: 0 }
    places.set(commit.id, own) // should forged messages have made a circle, it ends here
    const before = leadingTo(commit).map(placeOf)
    const place = {
      timeMillis: Math.max(own.timeMillis, ...before.map(({ timeMillis }) => timeMillis)),
      depth: Math.max(0, ...before.map(({ depth }) => depth + 1)),
    }
    places.set(commit.id, place)
    return place
  }
  const byPlace = (a: ServiceCommit, b: ServiceCommit): number => {
    const [left, right] = [placeOf(a), placeOf(b)]
    return left.timeMillis - right.timeMillis || left.depth - right.depth || (a.id < b.id ? -1 : 1)
  }
  return [...commits].sort(byPlace)
}
