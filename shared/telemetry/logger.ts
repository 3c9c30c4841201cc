/**
 * Logs: one JSON object a line on standard output, and the same records by OTLP. The bunyan instrumentation
 * adds `trace_id`, `span_id` and `trace_flags`. Never an email, a name or a token.
 */
import bunyan from 'bunyan'

export type Logger = bunyan

/** @param level LOG_LEVEL: trace, debug, info (default), warn, error or fatal */
export const createLogger = (service: string, level: bunyan.LogLevel = 'info'): Logger =>
  bunyan.createLogger({ name: service, level, serializers: { err: bunyan.stdSerializers.err } })
