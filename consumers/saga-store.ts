/**
 * For the model of the saga: what shared/kernel/event-store.ts promises. An insert is refused when its
 * `<stream>@<version>` or its cause is taken; a mark sets a constant.
 */
import type { Service } from '../shared/saga/events.ts'
import type { AppendResult, Commit, EventStore, NewCommit, Stream } from '../shared/kernel/event-store.ts'
import { touch } from './saga-tasks.ts'

export interface StoredCommit extends Commit {
  readonly service: Service
  readonly at: Date
  published: boolean
}

export type Outcome = AppendResult['outcome']

interface StoreOptions {
  /** Whether readers see what a commit answers; if not, only the unique index knows. */
  readonly showsCauses: boolean
  readonly onInsert: (commit: StoredCommit) => void
  readonly onOutcome: (outcome: Outcome) => void
}

type Port = Pick<EventStore, 'service' | 'append' | 'read' | 'unpublished' | 'markPublished'>

export class ModelStore implements Port {
  readonly service: Service
  /** Causes that the unique index had to refuse, although they were decided on the newest state. */
  readonly answeredAgain: string[] = []
  readonly #options: StoreOptions
  readonly #commits: StoredCommit[] = []

  constructor(service: Service, options: StoreOptions) {
    this.service = service
    this.#options = options
  }

  append(commit: NewCommit): Promise<AppendResult> {
    return touch('insert', () => this.#insert(commit))
  }

  read(checkoutId: string, after = 0): Promise<Stream> {
    return touch('read', () => {
      const commits: Commit[] = []
      for (;;) {
        const commit = this.#find(checkoutId, after + commits.length + 1)
        if (!commit) break
        commits.push({ ...commit, ...(!this.#options.showsCauses && { causedBy: '' }) })
      }
      return { version: after + commits.length, commits, events: commits.flatMap(({ events }) => events) }
    })
  }

  unpublished(before: Date, limit: number): Promise<Commit[]> {
    return touch('look', () =>
      this.#commits
        .filter(({ published, at }) => !published && at < before)
        .sort((one, other) => one.at.getTime() - other.at.getTime() || one.version - other.version)
        .slice(0, limit),
    )
  }

  markPublished(ids: readonly string[]): Promise<void> {
    return touch('mark', () => {
      for (const commit of this.#commits) if (ids.includes(commit.id)) commit.published = true
    })
  }

  /** One checkout's commits, oldest first. */
  stream(checkoutId: string): readonly StoredCommit[] {
    return this.#commits.filter((commit) => commit.checkoutId === checkoutId)
  }

  /** The checkouts that have a stream, the first first. */
  get checkoutIds(): readonly string[] {
    return this.#commits.filter(({ version }) => version === 1).map(({ checkoutId }) => checkoutId)
  }

  get allArePublished(): boolean {
    return this.#commits.every(({ published }) => published)
  }

  #insert({ events, ...commit }: NewCommit): AppendResult {
    const { checkoutId, version, causedBy, at } = commit
    const taken = this.#find(checkoutId, version)
    if (taken) return this.#outcome(taken.causedBy === causedBy ? 'duplicate' : 'conflict')
    if (this.#commits.some((earlier) => earlier.causedBy === causedBy)) {
      this.answeredAgain.push(causedBy)
      return this.#outcome('duplicate')
    }
    const id = `${this.service}/${checkoutId}@${version}`
    const time = at.toISOString()
    const stored: StoredCommit = {
      ...commit,
      id,
      service: this.service,
      events: events.map((event, index) => ({ id: `${id}/${index}`, checkoutId, time, event })),
      published: false,
    }
    this.#commits.push(stored)
    this.#options.onInsert(stored)
    this.#options.onOutcome('appended')
    return { outcome: 'appended', commit: stored }
  }

  #find(checkoutId: string, version: number): StoredCommit | undefined {
    return this.#commits.find((commit) => commit.version === version && commit.checkoutId === checkoutId)
  }

  #outcome(outcome: 'duplicate' | 'conflict'): AppendResult {
    this.#options.onOutcome(outcome)
    return { outcome }
  }
}
