/**
 * Group commit: inserts that wait go to the store in one `insert` command, unordered, so that each learns its own
 * outcome. An insert in a batch of twenty costs the store a third of one by itself.
 *
 * Each insert has a span of its own, in the trace that asked for it; a batch of several is a trace of its own whose
 * one span links to theirs.
 */
import type { Attributes, Link, Span } from '@opentelemetry/api'
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import type { Db } from 'mongodb'
import { MongoServerError } from 'mongodb'
import { Coalescer } from '../process/coalescer.ts'
import { within } from '../process/deadline.ts'
import { failpoint } from '../process/failpoints.ts'

/** `duplicate`: its `_id`, or a value that an index keeps unique, is taken. */
export type InsertOutcome = 'inserted' | 'duplicate'

interface Insert<Document> {
  readonly document: Document
  readonly span: Span
}

interface InsertReply {
  readonly writeErrors?: readonly { readonly index: number; readonly code: number; readonly errmsg: string }[]
}

export interface GroupInsertOptions {
  /** At most. */
  readonly batchesUnderWay?: number
  /** What a batch became is unknown then, and the next one goes. */
  readonly replyTimeoutMillis?: number
}

/** One: batches of half the size, two at a time, cost the store more than they save in waiting. */
const batchesUnderWay = 1
/**
 * All that wait go after the batch under way, so one whose answer was lost must not keep them for as long as its
 * connection lives. What it became is unknown then.
 */
const replyTimeoutMillis = 5_000
/** FerretDB inserts a hundred documents in one statement. */
const documentsPerBatch = 100
const duplicateKeyCode = 11_000

export class GroupInsert<Document extends { readonly _id: string }> {
  readonly #tracer = trace.getTracer('sagascope')
  readonly #database: Db
  readonly #collection: string
  readonly #replyTimeoutMillis: number
  readonly #server: Attributes
  readonly #inserts: Coalescer<Insert<Document>, InsertOutcome>

  constructor(database: Db, collection: string, options: GroupInsertOptions = {}) {
    this.#database = database
    this.#collection = collection
    this.#replyTimeoutMillis = options.replyTimeoutMillis ?? replyTimeoutMillis
    this.#server = serverOf(database)
    this.#inserts = new Coalescer(
      { width: options.batchesUnderWay ?? batchesUnderWay, maxItems: documentsPerBatch },
      (inserts) => this.#insertAll(inserts),
    )
  }

  /**
   * @param signal withdraws the document for as long as it has not left the process
   * @throws NotSent, and what the driver throws: see store-errors.ts for what that says of the document
   */
  async insert(document: Document, signal?: AbortSignal): Promise<InsertOutcome> {
    const span = this.#startSpan('insert')
    try {
      return await this.#inserts.add({ document, span }, signal)
    } catch (error) {
      span.recordException(error as Error)
      span.setStatus({ code: SpanStatusCode.ERROR })
      throw error
    } finally {
      span.end()
    }
  }

  async #insertAll(inserts: readonly Insert<Document>[]): Promise<PromiseSettledResult<InsertOutcome>[]> {
    const batch = inserts.length > 1 ? this.#startBatchSpan(inserts) : undefined
    // The conventions have no batch of one.
    if (batch) for (const { span } of inserts) span.setAttribute('db.operation.batch.size', inserts.length)
    try {
      const { writeErrors = [] } = await this.#send(inserts.map(({ document }) => document))
      failpoint('batch-inserted')
      const errors = new Map(writeErrors.map((error) => [error.index, error]))
      return inserts.map((_, index) => {
        const error = errors.get(index)
        if (!error) return { status: 'fulfilled', value: 'inserted' }
        if (error.code === duplicateKeyCode) return { status: 'fulfilled', value: 'duplicate' }
        return { status: 'rejected', reason: new MongoServerError({ message: error.errmsg, ...error }) }
      })
    } catch (error) {
      batch?.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message })
      throw error
    } finally {
      batch?.end()
    }
  }

  /**
   * As a command, and not by the collection: the driver would retry by itself, after which nobody knows whether a
   * failure was the first attempt's, and wrap a broken connection in an error of its own.
   */
  async #send(documents: readonly Document[]): Promise<InsertReply> {
    const { writeConcern } = this.#database
    const command = {
      insert: this.#collection,
      documents,
      ordered: false,
      ...(writeConcern && Object.keys(writeConcern).length > 0 && { writeConcern }),
    }
    const reply = context.with(suppressTracing(ROOT_CONTEXT), () =>
      this.#database.command(command, { ignoreUndefined: true }),
    )
    return within(this.#replyTimeoutMillis, 'an insert', reply)
  }

  #startBatchSpan(inserts: readonly Insert<Document>[]): Span {
    const links = inserts
      .map(({ span }) => span.spanContext())
      .filter(({ traceFlags }) => (traceFlags & TraceFlags.SAMPLED) !== 0)
      .map((spanContext) => ({ context: spanContext }))
    // Whatever is active here is the context of one of them: its checkout is not the batch's.
    const span = this.#startSpan('BATCH insert', links, ROOT_CONTEXT)
    span.setAttribute('db.operation.batch.size', inserts.length)
    return span
  }

  #startSpan(operation: string, links: Link[] = [], parent = context.active()): Span {
    const attributes = {
      'db.system.name': 'mongodb',
      'db.namespace': this.#database.databaseName,
      'db.collection.name': this.#collection,
      'db.operation.name': operation,
      ...this.#server,
    }
    const name = `${operation} ${this.#collection}`
    return this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes, links }, parent)
  }
}

/** As instrumentation-mongodb has it. Nothing where there are several: the driver chooses when a batch is sent. */
function serverOf({ client }: Db): Attributes {
  const [server, ...others] = client.options.hosts
  if (!server || others.length > 0) return {}
  return { 'server.address': server.host, 'server.port': server.port }
}
