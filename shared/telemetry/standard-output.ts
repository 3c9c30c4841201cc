/**
 * Lines on standard output, for whoever collects them. When nobody does any more, they are lost: a process neither
 * ends for that, nor keeps them all in memory.
 */
import { diag } from '@opentelemetry/api'

/** What waits for a reader; some seconds' worth of a busy service. */
const waitingBytesLimit = 4 * 1024 ** 2

// The reader has gone, or the disk is full. Unheard, that error would end the process.
process.stdout.on('error', () => undefined)

let dropped = 0

/** @param line its end included */
export function writeLine(line: string): void {
  if (process.stdout.writableLength > waitingBytesLimit) {
    dropped += 1
    return
  }
  process.stdout.write(line)
  if (dropped === 0) return
  const count = dropped
  dropped = 0
  diag.warn(`${count} lines were not written: nobody read standard output`)
}
