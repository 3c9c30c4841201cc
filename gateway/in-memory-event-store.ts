/** For tests: the event store's promises without a server. */
import type { Service } from '../shared/saga/events.ts'
import type { AppendResult, Commit, EventStore, NewCommit, Stream } from '../shared/kernel/event-store.ts'
import { commitFrom } from '../shared/kernel/event-store.ts'

export class InMemoryEventStore implements Pick<EventStore, 'service' | 'append' | 'find' | 'read'> {
  readonly service: Service
  readonly #streams = new Map<string, Commit[]>()
  #seq = 0

  constructor(service: Service) {
    this.service = service
  }

  async append(commit: NewCommit): Promise<AppendResult> {
    await setImmediatePassed()
    const { checkoutId, version, causedBy } = commit
    const stream = this.#streams.get(checkoutId) ?? []
    if (stream.some((earlier) => earlier.causedBy === causedBy)) return { outcome: 'duplicate' }
    if (stream.length !== version - 1) return { outcome: 'conflict' }
    const _id = `${this.service}/${checkoutId}@${version}`
    const appended = commitFrom({ _id, ...commit, writer: 'in memory', seq: ++this.#seq })
    this.#streams.set(checkoutId, [...stream, appended])
    return { outcome: 'appended', commit: appended }
  }

  async read(checkoutId: string, after = 0): Promise<Stream> {
    await setImmediatePassed()
    const stream = this.#streams.get(checkoutId) ?? []
    const commits = stream.slice(after)
    return { version: stream.length, commits, events: commits.flatMap(({ events }) => events) }
  }

  async find(checkoutId: string, version: number): Promise<Commit | undefined> {
    await setImmediatePassed()
    return this.#streams.get(checkoutId)?.[version - 1]
  }

  get streamCount(): number {
    return this.#streams.size
  }
}

/** A server answers later, so that what races there races here. */
const setImmediatePassed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
