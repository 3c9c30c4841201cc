/**
 * Telemetry's own failures, as log lines on standard output: what OpenTelemetry warns of is otherwise heard by nobody.
 * They go nowhere else: a line about a Collector that is away would only be one more for it. A failure that repeats
 * is said once a minute, with how often it came; so a Collector that is away for a day does not fill a disk.
 */
import { hostname } from 'node:os'
import type { DiagLogger } from '@opentelemetry/api'
import { writeLine } from './standard-output.ts'

export interface TelemetryLogOptions {
  /** Writes one line, its end included. */
  readonly write?: (line: string) => void
  readonly now?: () => number
}

const quietMillis = 60_000
/** Different failures that are told apart; past that they are forgotten, and said again. */
const kindsLimit = 100
const lengthLimit = 4_000

const levels = { warn: 40, error: 50 } as const

interface Kind {
  readonly saidAt: number
  unsaid: number
}

/**
 * A logger for OpenTelemetry's `diag`; it never throws.
 * @param service the `name` of its lines, which are as bunyan writes them
 */
export function createTelemetryLog(
  service: string,
  { write = writeLine, now = Date.now }: TelemetryLogOptions = {},
): DiagLogger {
  const kinds = new Map<string, Kind>()

  const say = (level: keyof typeof levels, parts: readonly unknown[]): void => {
    try {
      const message = parts.map(toText).filter(Boolean).join(': ').slice(0, lengthLimit)
      const kind = `${level} ${message.replace(/\w*\d\w*/g, '#')}` // numbers and ids differ each time
      const time = now()
      const known = kinds.get(kind)
      if (known && time - known.saidAt < quietMillis) {
        known.unsaid += 1
        return
      }
      if (kinds.size >= kindsLimit) kinds.clear()
      kinds.set(kind, { saidAt: time, unsaid: 0 })
      const line = {
        name: service,
        hostname: hostname(),
        pid: process.pid,
        level: levels[level],
        'event.name': 'telemetry.failed',
        ...(known && known.unsaid > 0 && { unsaid: known.unsaid }),
        msg: message,
        time: new Date(time).toISOString(),
        v: 0,
      }
      write(`${JSON.stringify(line)}\n`)
    } catch {
      // Nothing is left to tell it to, and the caller may be a checkout.
    }
  }
  const ignore = (): void => {}
  return {
    error: (...parts: unknown[]) => say('error', parts),
    warn: (...parts: unknown[]) => say('warn', parts),
    info: ignore,
    debug: ignore,
    verbose: ignore,
  }
}

/**
 * Of an error its code and message, and not what else it holds: an answer of the Collector, or a batch. The SDK
 * passes an error either as it is, or all of its properties as JSON.
 */
function toText(part: unknown): string {
  if (part instanceof Error) return fromError(part)
  if (typeof part !== 'string') return ''
  if (!part.startsWith('{')) return part
  try {
    return fromError(JSON.parse(part) as object)
  } catch {
    return part
  }
}

function fromError(error: { readonly code?: unknown; readonly message?: unknown }): string {
  const { code, message } = error
  return [code, message].filter((text) => typeof text === 'string' || typeof text === 'number').join(' ')
}
