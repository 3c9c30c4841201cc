/**
 * The event store: one insert is at once the state change, the inbox and the outbox.
 *
 * A commit is one document, `_id = "<stream>@<version>"`. Two unique indexes carry all of the correctness:
 * a taken `_id` means that somebody was faster; a taken `causedBy` means that this message has been
 * answered before. Nothing here needs a transaction, a change stream or a read-modify-write update, so it
 * holds on a replica set, on a sharded cluster, and on servers that speak MongoDB's protocol without having
 * those. For the latter every read on the hot path asks for one `_id`, the look-up that is indexed everywhere.
 */
import type { Collection, Db } from 'mongodb'
import type { RecordedEvent, SagaEvent, Service } from '../saga/events.ts'
import { isDuplicateKey } from './duplicate-key.ts'

/** W3C (and, when asked for, B3) headers under which a commit was made. */
export type TraceHeaders = Readonly<Record<string, string>>

export interface Commit {
  /** `<service>/<checkoutId>@<version>`, the version counting from 1. */
  readonly id: string
  readonly checkoutId: string
  readonly version: number
  /** Id of the message (or request, or deadline) that this commit answers. */
  readonly causedBy: string
  readonly events: readonly RecordedEvent[]
  readonly traceHeaders: TraceHeaders
  /** As marked when it was read. */
  readonly published: boolean
}

interface CommitDocument extends Omit<Commit, 'id' | 'events'> {
  readonly _id: string
  readonly at: Date
  readonly events: readonly SagaEvent[]
}

export interface Stream {
  readonly version: number
  readonly commits: readonly Commit[]
  readonly events: readonly RecordedEvent[]
}

export interface NewCommit {
  readonly checkoutId: string
  readonly version: number
  readonly causedBy: string
  readonly at: Date
  readonly events: readonly SagaEvent[]
  readonly traceHeaders: TraceHeaders
}

export type AppendResult =
  | { readonly outcome: 'appended'; readonly commit: Commit }
  /** The stream has moved on: read it and decide again. */
  | { readonly outcome: 'conflict' }
  /** The same cause was committed before: nothing may happen twice. */
  | { readonly outcome: 'duplicate' }

/**
 * FerretDB holds a connection to its database for each statement of an update command until the command ends, and
 * it has a hundred: a large command, or many at once, would wait for themselves for ever.
 */
const statementsPerUpdate = 10

const commitId = (service: Service, checkoutId: string, version: number): string =>
  `${service}/${checkoutId}@${version.toString()}`

export class EventStore {
  readonly service: Service
  readonly #commits: Collection<CommitDocument>

  /** @param database the service's own; nobody else writes to it */
  constructor(database: Db, service: Service) {
    this.service = service
    this.#commits = database.collection<CommitDocument>('commits')
  }

  /** Creates the indexes; harmless when they exist. */
  async prepare(): Promise<void> {
    await this.#commits.createIndex({ causedBy: 1 }, { unique: true }, {})
    await this.#commits.createIndex({ published: 1, at: 1 })
  }

  /**
   * Reads one checkout's stream, oldest first; version 0 when there is none.
   * @param after the version up to which the reader has it already
   */
  async read(checkoutId: string, after = 0): Promise<Stream> {
    const commits: Commit[] = []
    for (;;) {
      const commit = await this.#find(checkoutId, after + commits.length + 1)
      if (!commit) break
      commits.push(commit)
    }
    return { version: after + commits.length, commits, events: commits.flatMap((commit) => commit.events) }
  }

  /** Appends a commit at the version given, or says why not. */
  async append(commit: NewCommit): Promise<AppendResult> {
    const { checkoutId, version, causedBy, at, events, traceHeaders } = commit
    const document: CommitDocument = {
      _id: commitId(this.service, checkoutId, version),
      checkoutId,
      version,
      causedBy,
      at,
      events,
      traceHeaders,
      published: false,
    }
    try {
      await this.#commits.insertOne(document)
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
      // Servers differ in how they name the violated index, so ask the data which it was.
      const taken = await this.#find(checkoutId, version)
      return taken && taken.causedBy !== causedBy ? { outcome: 'conflict' } : { outcome: 'duplicate' }
    }
    return { outcome: 'appended', commit: fromDocument(document) }
  }

  /** Marks commits as published; setting a constant by `_id`, so doing it twice or late is harmless. */
  async markPublished(ids: readonly string[]): Promise<void> {
    for (let start = 0; start < ids.length; start += statementsPerUpdate) {
      const statements = ids
        .slice(start, start + statementsPerUpdate)
        .map((_id) => ({ updateOne: { filter: { _id }, update: { $set: { published: true } } } }))
      await this.#commits.bulkWrite(statements, { ordered: false })
    }
  }

  /** Commits not marked as published that were made before the time given, oldest first. */
  async unpublished(before: Date, limit: number): Promise<Commit[]> {
    const documents = await this.#commits
      .find({ published: false, at: { $lt: before } })
      .sort({ at: 1, version: 1 })
      .limit(limit)
      .toArray()
    return documents.map(fromDocument)
  }

  async #find(checkoutId: string, version: number): Promise<Commit | undefined> {
    const document = await this.#commits.findOne({ _id: commitId(this.service, checkoutId, version) })
    return document ? fromDocument(document) : undefined
  }
}

function fromDocument(document: CommitDocument): Commit {
  const { _id, at, events, checkoutId, version, causedBy, traceHeaders, published } = document
  const time = at.toISOString()
  return {
    id: _id,
    checkoutId,
    version,
    causedBy,
    traceHeaders,
    published,
    events: events.map((event, index) => ({
      id: `${_id}/${index.toString()}`,
      checkoutId,
      time,
      event,
    })),
  }
}
