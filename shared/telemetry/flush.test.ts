import { ok } from 'node:assert/strict'
import { installTelemetryShutdown, stopTelemetry } from './flush.ts'

describe('the end of telemetry', () => {
  afterEach(() => installTelemetryShutdown(() => Promise.resolve()))

  it('waits until all is sent', async () => {
    let sent = false
    installTelemetryShutdown(async () => {
      await new Promise(setImmediate)
      sent = true
    })
    await stopTelemetry()
    ok(sent)
  })

  it('waits no longer than its deadline for a Collector that does not answer', async () => {
    installTelemetryShutdown(() => new Promise(() => {}))
    await stopTelemetry(10)
  })

  it('is no failure when telemetry fails, early or late', async () => {
    installTelemetryShutdown(() => Promise.reject(new Error('no Collector')))
    await stopTelemetry()
    installTelemetryShutdown(() => {
      throw new Error('no exporter')
    })
    await stopTelemetry()
  })
})
