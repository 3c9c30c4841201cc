/**
 * Logs: one JSON object a line on standard output, and the same records by OTLP. The bunyan instrumentation
 * adds `trace_id`, `span_id` and `trace_flags`. Never an email, a name or a token.
 *
 * A line that cannot be written keeps nobody from the work that it tells of.
 */
import { diag } from '@opentelemetry/api'
import bunyan from 'bunyan'
import { writeLine } from './standard-output.ts'

export type Logger = bunyan

const standardOutput = { write: writeLine } as unknown as NodeJS.WritableStream

/** @param level LOG_LEVEL: trace, debug, info (default), warn, error or fatal */
export function createLogger(service: string, level: bunyan.LogLevel = 'info'): Logger {
  const log = bunyan.createLogger({
    name: service,
    level,
    stream: standardOutput,
    serializers: { err: bunyan.stdSerializers.err },
  })
  neverThrow(Object.getPrototypeOf(log) as BunyanPrototype)
  return log
}

interface BunyanPrototype {
  _emit: (...record: unknown[]) => unknown
}

const safe = new WeakSet<BunyanPrototype>()

/** Bunyan throws what its streams throw, and at what is no JSON, a bigint for instance. All its loggers end in here. */
function neverThrow(prototype: BunyanPrototype): void {
  if (safe.has(prototype)) return
  safe.add(prototype)
  const emit = prototype._emit
  prototype._emit = function (...record) {
    try {
      return emit.apply(this, record)
    } catch (error) {
      diag.error('log line not written', error)
      return undefined
    }
  }
}
