/**
 * A process to end, for lifecycle.test.ts: it notes on standard output what it does, one word a line.
 * Its argument says how a step of its stopping behaves.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { installTelemetryShutdown } from '../telemetry/flush.ts'
import { startProcess } from './lifecycle.ts'

const note = (what: string): void => void process.stdout.write(`${what}\n`)
const behaviour = process.argv[2]

installTelemetryShutdown(() => {
  note('telemetry-flushed')
  return Promise.resolve()
})

const stepDeadlineMillis = behaviour === 'never-ends' ? 50 : undefined

await startProcess('tested', async ({ lifecycle }) => {
  lifecycle.signal.addEventListener('abort', () => note('draining'))
  lifecycle.onStop(() => note('store-closed'))
  lifecycle.onStop(async () => {
    if (behaviour === 'hangs') {
      note('hanging')
      await delay(60_000)
    }
    if (behaviour === 'never-ends') await new Promise(() => undefined)
    if (behaviour === 'throws') throw new Error('a step that fails')
    await delay(1)
    note('producer-closed')
  }, stepDeadlineMillis)
  lifecycle.onStop(() => note('consumer-stopped'))
  if (behaviour === 'fails-at-start') throw new Error('no store')
  if (behaviour === 'fails-later') setImmediate(() => lifecycle.fail(new Error('consumer died')))
  if (behaviour === 'rejects-unseen') void Promise.reject(new Error('nobody looked'))
  await delay(1)
  setInterval(() => {}, 60_000) // what a server does: it keeps the process alive
})
