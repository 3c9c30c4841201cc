/**
 * bunyan: `trace_id`, `span_id` and `trace_flags` on each line, and each line as a log record. In place of
 * @opentelemetry/instrumentation-bunyan, whose records these are, without a stream of its own in every logger.
 */
import type { AnyValue, LogRecord } from '@opentelemetry/api'
import { context, isSpanContextValid, logs, SeverityNumber, trace } from '@opentelemetry/api'
import bunyan from 'bunyan'

interface Line {
  readonly level: number
  readonly time: Date
  readonly msg: string
  readonly [field: string]: unknown
}

export interface Loggers {
  _emit(line: Line, isNotToBeWritten?: boolean): unknown
}

const severities: Readonly<Record<number, Pick<LogRecord, 'severityNumber' | 'severityText'>>> = {
  10: { severityNumber: SeverityNumber.TRACE, severityText: 'trace' },
  20: { severityNumber: SeverityNumber.DEBUG, severityText: 'debug' },
  30: { severityNumber: SeverityNumber.INFO, severityText: 'info' },
  40: { severityNumber: SeverityNumber.WARN, severityText: 'warn' },
  50: { severityNumber: SeverityNumber.ERROR, severityText: 'error' },
  60: { severityNumber: SeverityNumber.FATAL, severityText: 'fatal' },
}

/** Said by the record itself, by its trace context, or by the process's resource. */
const notAttributes = new Set(['time', 'level', 'msg', 'err', 'v', 'hostname', 'pid'])

export function instrumentBunyan(prototype: Loggers = bunyan.prototype as unknown as Loggers): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this`
  const { _emit: emit } = prototype
  const logger = logs.getLogger('sagascope-lean/bunyan')

  prototype._emit = function (line, isNotToBeWritten) {
    if (isNotToBeWritten) return emit.call(this, line, isNotToBeWritten)
    const active = context.active()
    logger.emit(toRecord(line))
    const spanContext = trace.getSpanContext(active)
    if (!spanContext || !isSpanContextValid(spanContext)) return emit.call(this, line)
    const { traceId, spanId, traceFlags } = spanContext
    return emit.call(
      this,
      Object.assign(line, { trace_id: traceId, span_id: spanId, trace_flags: `0${traceFlags.toString(16)}` }),
    )
  }
}

function toRecord(line: Line): LogRecord {
  const attributes: Record<string, AnyValue> = {}
  for (const name in line) if (!notAttributes.has(name)) attributes[name] = line[name]
  const { level, time, msg, err } = line
  return {
    timestamp: time.getTime(),
    observedTimestamp: time.getTime(),
    ...severities[level],
    body: msg,
    attributes,
    ...(err !== undefined && { exception: err }),
  }
}
