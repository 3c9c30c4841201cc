import { deepEqual, equal, rejects } from 'node:assert/strict'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import { retryUntilAvailable } from './retry-until-available.ts'

const away = Object.assign(new Error('Kafka is away'), { retriable: true })
const signal = new AbortController().signal

describe('what a process cannot begin without', () => {
  it('is tried until it succeeds, and each failure is logged', async () => {
    const { log, lines } = createRecordingLogger()
    let attempts = 0
    const result = await retryUntilAvailable({ log, signal }, () =>
      ++attempts < 4 ? Promise.reject(away) : Promise.resolve('here'),
    )
    equal(result, 'here')
    deepEqual(
      lines.map((line) => line['event.name']),
      Array.from({ length: 3 }, () => 'kafka.awaited'),
    )
  })

  it('is not waited for when waiting does not help', async () => {
    const { log } = createRecordingLogger()
    for (const error of [new Error('unknown'), Object.assign(new Error('refused'), { retriable: false })])
      await rejects(
        retryUntilAvailable({ log, signal }, () => Promise.reject(error)),
        error,
      )
  })

  it('is not waited for any longer once the process drains', async () => {
    const { log } = createRecordingLogger()
    const draining = new AbortController()
    const attempt = () => {
      draining.abort()
      return Promise.reject(away)
    }
    await rejects(retryUntilAvailable({ log, signal: draining.signal }, attempt), away)
  })
})
