/**
 * The event store: one insert is at once the state change, the inbox and the outbox.
 *
 * A commit is one document, `_id = "<stream>@<version>"`. Two unique indexes carry all of the correctness:
 * a taken `_id` means that somebody was faster; a taken `causedBy` means that this message has been
 * answered before. Nothing here needs a transaction, a change stream or a read-modify-write update, so it
 * holds on a replica set, on a sharded cluster, and on servers that speak MongoDB's protocol without having
 * those. For the latter every read on the hot path asks for one `_id`, the look-up that is indexed everywhere.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Collection, Db } from 'mongodb'
import type { RecordedEvent, SagaEvent, Service } from '../saga/events.ts'
import { GroupInsert } from './group-insert.ts'
import { isRefused, neverLeft } from './store-errors.ts'
import { Writer } from './writers.ts'

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
  /** Who wrote it, and as its how manyth; see writers.ts. */
  readonly writer: string
  readonly seq: number
}

export interface CommitDocument extends Omit<Commit, 'id' | 'events'> {
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
  /** The same cause was committed before, by `commit` where it is at the same version: nothing may happen twice. */
  | { readonly outcome: 'duplicate'; readonly commit?: Commit }

const commitId = (service: Service, checkoutId: string, version: number): string =>
  `${service}/${checkoutId}@${version.toString()}`

export interface EventStoreOptions {
  /** How commits are inserted; in groups where left out. */
  readonly inserts?: Pick<GroupInsert<CommitDocument>, 'insert'>
  /** Before a write whose outcome is unknown is tried again; by the clock where left out. */
  readonly pause?: () => Promise<void>
}

const settlePauseMillis = 500
const pauseByClock = (): Promise<void> => delay(settlePauseMillis, undefined, { ref: false })

export class EventStore {
  readonly service: Service
  readonly writer: Writer
  readonly #commits: Collection<CommitDocument>
  readonly #inserts: Pick<GroupInsert<CommitDocument>, 'insert'>
  readonly #pause: () => Promise<void>
  #onSettled: (commit: Commit) => void = () => undefined
  #isClosed = false

  /**
   * @param database the service's own; nobody else writes to it
   * @param writer this process; left out by those who only read, or write what is published already
   */
  constructor(
    database: Db,
    service: Service,
    writer = new Writer(),
    {
      inserts = new GroupInsert<CommitDocument>(database, 'commits'),
      pause = pauseByClock,
    }: EventStoreOptions = {},
  ) {
    this.service = service
    this.writer = writer
    this.#commits = database.collection<CommitDocument>('commits')
    this.#inserts = inserts
    this.#pause = pause
  }

  /** Creates the indexes; harmless when they exist. */
  async prepare(): Promise<void> {
    await this.#commits.createIndex({ causedBy: 1 }, { unique: true }, {})
    await this.#commits.createIndex({ writer: 1, seq: 1 })
  }

  /** @param onSettled is given each commit whose `append` was rejected and that turned out to be in the store */
  whenSettled(onSettled: (commit: Commit) => void): void {
    this.#onSettled = onSettled
  }

  /** Asks after no unknown outcome any more: others will find what was left. */
  close(): void {
    this.#isClosed = true
  }

  /**
   * Reads one checkout's stream, oldest first; version 0 when there is none.
   * @param after the version up to which the reader has it already
   */
  async read(checkoutId: string, after = 0): Promise<Stream> {
    const commits: Commit[] = []
    for (;;) {
      const commit = await this.find(checkoutId, after + commits.length + 1)
      if (!commit) break
      commits.push(commit)
    }
    return { version: after + commits.length, commits, events: commits.flatMap((commit) => commit.events) }
  }

  async find(checkoutId: string, version: number): Promise<Commit | undefined> {
    const document = await this.#commits.findOne({ _id: commitId(this.service, checkoutId, version) })
    return document ? commitFrom(document) : undefined
  }

  /**
   * Appends a commit at the version given, or says why not. Where the store does not say whether it has the commit, this
   * rejects, and goes on asking in the background: what turns out to be in the store is given to `whenSettled`.
   * @param signal withdraws the commit for as long as it has not left the process
   * @throws what the driver throws, and NotSent; `neverLeft` tells whether the store may have it
   */
  async append(commit: NewCommit, signal?: AbortSignal): Promise<AppendResult> {
    const { checkoutId, version, causedBy, at, events, traceHeaders } = commit
    const seq = this.writer.begin()
    const document: CommitDocument = {
      _id: commitId(this.service, checkoutId, version),
      checkoutId,
      version,
      causedBy,
      at,
      events,
      traceHeaders,
      writer: this.writer.id,
      seq,
    }
    let isUnknown = false
    try {
      const outcome = await this.#inserts.insert(document, signal)
      isUnknown = true // until it is confirmed, or known whose the taken place is
      return await this.#resultOf(document, outcome)
    } catch (error) {
      if (!isUnknown && (neverLeft(error) || isRefused(error))) this.writer.settle(seq)
      else void this.#settle(document)
      throw error
    }
  }

  async #resultOf(document: CommitDocument, outcome: 'inserted' | 'duplicate'): Promise<AppendResult> {
    const { writer } = this
    if (outcome === 'inserted') {
      await writer.confirm()
      return { outcome: 'appended', commit: commitFrom(document) }
    }
    // Servers differ in how they name the violated index, so ask the data which it was.
    const taken = await this.find(document.checkoutId, document.version)
    if (taken?.writer === writer.id && taken.seq === document.seq) {
      await writer.confirm()
      return { outcome: 'appended', commit: taken }
    }
    writer.settle(document.seq)
    if (taken && taken.causedBy !== document.causedBy) return { outcome: 'conflict' }
    return { outcome: 'duplicate', ...(taken && { commit: taken }) }
  }

  /** Inserting it once more tells: either it is inserted now, or its place is taken, by itself or by another. */
  async #settle(document: CommitDocument): Promise<void> {
    while (!this.#isClosed) {
      await this.#pause()
      try {
        const result = await this.#resultOf(document, await this.#inserts.insert(document))
        if (result.outcome === 'appended') this.#onSettled(result.commit)
        return
      } catch {
        // Also where this insert was refused: the first one may be in the store.
      }
    }
  }

  /**
   * What a writer has committed above a number, lowest first. For recovery after a crash only: a server that indexes
   * nothing but `_id` reads the whole collection for it.
   */
  async writtenBy(writer: string, above: number, limit: number): Promise<Commit[]> {
    const documents = await this.#commits
      .find({ writer, seq: { $gt: above } })
      .sort({ seq: 1 })
      .limit(limit)
      .toArray()
    return documents.map(commitFrom)
  }
}

/** A commit as it is stored, its events each with its id, its time and what it answers. */
export function commitFrom(document: CommitDocument): Commit {
  const { _id, at, events, checkoutId, version, causedBy, traceHeaders, writer, seq } = document
  const time = at.toISOString()
  return {
    id: _id,
    checkoutId,
    version,
    causedBy,
    traceHeaders,
    writer,
    seq,
    events: events.map((event, index) => ({
      id: `${_id}/${index.toString()}`,
      checkoutId,
      time,
      causedBy,
      event,
    })),
  }
}
