/**
 * For the model of the saga: a service's database, as far as shared/kernel/event-store.ts and writers.ts rely on it. An
 * insert is refused when its `<stream>@<version>` or its cause is taken; a writer's document is replaced as a whole.
 */
import type { Db } from 'mongodb'
import type { Service } from '../shared/saga/events.ts'
import type { AppendResult, Commit, CommitDocument } from '../shared/kernel/event-store.ts'
import { EventStore } from '../shared/kernel/event-store.ts'
import type { InsertOutcome } from '../shared/kernel/group-insert.ts'
import type { Writer, WriterDocument, Writers } from '../shared/kernel/writers.ts'
import { touch } from './saga-tasks.ts'

export interface StoredCommit extends Commit {
  readonly service: Service
  readonly at: Date
}

type Outcome = AppendResult['outcome']

interface StoreOptions {
  readonly onInsert: (commit: StoredCommit) => void
  readonly onOutcome: (outcome: Outcome) => void
}

export class ModelStore {
  readonly service: Service
  readonly writers = new ModelWriters()
  /** Causes that the unique index had to refuse, although they were decided on the newest state. */
  readonly answeredAgain: string[] = []
  readonly #options: StoreOptions
  readonly #documents: CommitDocument[] = []
  readonly #commits: StoredCommit[] = []
  readonly #tried = new Set<CommitDocument>()

  constructor(service: Service, options: StoreOptions) {
    this.service = service
    this.#options = options
  }

  /**
   * As one process sees it.
   * @param pause before an insert whose outcome is unknown is tried again
   */
  open(writer: Writer, pause: () => Promise<void>): EventStore {
    return new EventStore(this.#database, this.service, writer, {
      inserts: { insert: (document) => this.#insertAsTask(document) },
      pause,
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

  /** The two queries that the event store makes. */
  get #database(): Db {
    const commits = {
      findOne: ({ _id }: { _id: string }) => touch('read', () => this.#find(_id) ?? null),
      find: ({ writer, seq: { $gt: above } }: { writer: string; seq: { $gt: number } }) => ({
        sort: () => ({
          limit: (limit: number) => ({
            toArray: () =>
              touch('recover', () =>
                this.#documents
                  .filter((each) => each.writer === writer && each.seq > above)
                  .sort((one, other) => one.seq - other.seq)
                  .slice(0, limit),
              ),
          }),
        }),
      }),
    }
    return { collection: () => commits } as unknown as Db
  }

  #insertAsTask(document: CommitDocument): Promise<InsertOutcome> {
    const isTriedAgain = this.#tried.has(document)
    this.#tried.add(document)
    return touch(isTriedAgain ? 'settle' : 'insert', () => this.#insert(document))
  }

  #insert(document: CommitDocument): InsertOutcome {
    const { _id, checkoutId, version, causedBy, at, events, traceHeaders, writer, seq } = document
    const taken = this.#find(_id)
    if (taken) {
      if (taken !== document) this.#options.onOutcome(taken.causedBy === causedBy ? 'duplicate' : 'conflict')
      return 'duplicate'
    }
    if (this.#documents.some((earlier) => earlier.causedBy === causedBy)) {
      this.answeredAgain.push(causedBy)
      return 'duplicate'
    }
    this.#documents.push(document)
    const time = at.toISOString()
    const commit: StoredCommit = {
      ...{ id: _id, service: this.service, checkoutId, version, causedBy, at, traceHeaders, writer, seq },
      events: events.map((event, index) => ({ id: `${_id}/${index}`, checkoutId, time, causedBy, event })),
    }
    this.#commits.push(commit)
    this.#options.onInsert(commit)
    this.#options.onOutcome('appended')
    return 'inserted'
  }

  #find(id: string): CommitDocument | undefined {
    return this.#documents.find(({ _id }) => _id === id)
  }
}

export class ModelWriters implements Pick<Writers, 'renew' | 'all' | 'markRecovered' | 'forget'> {
  readonly #documents = new Map<string, WriterDocument>()

  renew(document: WriterDocument): Promise<void> {
    return touch('renew', () => {
      this.#documents.set(document._id, document)
    })
  }

  all(): Promise<WriterDocument[]> {
    return touch('look', () => [...this.#documents.values()])
  }

  markRecovered({ _id, beat }: WriterDocument): Promise<void> {
    return touch('mark', () => {
      const document = this.#documents.get(_id)
      if (document?.beat === beat) this.#documents.set(_id, { ...document, recoveredAtBeat: beat })
    })
  }

  forget({ _id, beat }: WriterDocument): Promise<void> {
    if (this.#documents.get(_id)?.beat === beat) this.#documents.delete(_id)
    return Promise.resolve()
  }

  publishedTo(writer: string): number | undefined {
    return this.#documents.get(writer)?.publishedTo
  }

  /** All that is there becomes old enough to be forgotten. */
  age(): void {
    for (const [id, document] of this.#documents) this.#documents.set(id, { ...document, at: new Date(0) })
  }
}
