/**
 * mongodb: a span for each command that is part of something recorded. In place of
 * @opentelemetry/instrumentation-mongodb, with its names and attributes; it has no `db.query.text`, for which that one
 * walks through each document that is written, and no count of sessions in use.
 */
import { createRequire } from 'node:module'
import type { Attributes } from '@opentelemetry/api'
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { recordedParent } from './recording.ts'

interface Namespace {
  readonly db: string
  readonly collection?: string
}

export interface Connection {
  readonly address: string
  command(namespace: Namespace, command: object, ...rest: unknown[]): Promise<unknown>
}

// Private to the driver, as it is to the instrumentation: the version is pinned.
const { Connection } = createRequire(import.meta.url)('mongodb/lib/cmap/connection.js') as {
  readonly Connection: { readonly prototype: Connection }
}

/** With these a connection begins: for whoever comes after as well as for who had it opened. */
const greetings = new Set(['hello', 'ismaster', 'isMaster'])

export function instrumentMongoDb(prototype: Connection = Connection.prototype): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this`
  const { command } = prototype
  const tracer = trace.getTracer('sagascope-lean/mongodb')

  prototype.command = async function (namespace, asked, ...rest) {
    const active = context.active()
    const [operation = 'command'] = Object.keys(asked)
    if (greetings.has(operation) || !recordedParent(active)) {
      return command.call(this, namespace, asked, ...rest)
    }
    const { name, attributes } = describe(operation, namespace, this.address)
    const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, active)
    try {
      return await command.call(this, namespace, asked, ...rest)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      span.setStatus({ code: SpanStatusCode.ERROR, message })
      throw error
    } finally {
      span.end()
    }
  }
}

interface Description {
  readonly name: string
  readonly attributes: Attributes
}

/** By server, database, collection and operation: as many as there are kinds of commands in the code. */
const known = new Map<string, Description>()

function describe(operation: string, { db, collection = '' }: Namespace, address: string): Description {
  const key = `${address}/${db}/${collection}/${operation}`
  let description = known.get(key)
  if (!description) {
    const colon = address.lastIndexOf(':')
    description = {
      name: collection === '' ? operation : `${operation} ${collection}`,
      attributes: Object.freeze({
        'db.system.name': 'mongodb',
        'db.namespace': db,
        'db.operation.name': operation,
        ...(collection !== '' && { 'db.collection.name': collection }),
        'server.address': address.slice(0, colon),
        'server.port': Number.parseInt(address.slice(colon + 1), 10),
      }),
    }
    known.set(key, description)
  }
  return description
}
