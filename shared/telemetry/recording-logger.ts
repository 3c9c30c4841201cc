/** A logger for tests: keeps its lines, as they would be written, instead of writing them. */
import bunyan from 'bunyan'
import type { Logger } from './logger.ts'

export interface LogLine {
  readonly [field: string]: unknown
  readonly level: number
  readonly msg: string
}

export function createRecordingLogger(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
  const log = bunyan.createLogger({
    name: 'tests',
    level: 'trace',
    stream: stream as unknown as NodeJS.WritableStream,
    serializers: { err: bunyan.stdSerializers.err },
  })
  return { log, lines }
}
