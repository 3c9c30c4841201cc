import { deepStrictEqual } from 'node:assert/strict'
import { readinessOf, readinessProbe } from './probes.ts'

const draining = new AbortController().signal
const connected = () => 'connected' as const

describe('readiness', () => {
  it('needs the store, and not Kafka', async () => {
    const kafkaState = () => 'connecting' as const
    deepStrictEqual(await readinessOf({ ping: () => Promise.resolve(), kafkaState, draining }), {
      status: 'ready',
      store: 'reachable',
      kafka: 'connecting',
      draining: false,
    })
  })

  it('ends when the store fails', async () => {
    const ping = () => Promise.reject(new Error('no server'))
    const { status, store } = await readinessOf({ ping, kafkaState: connected, draining })
    deepStrictEqual([status, store], ['not ready', 'unreachable'])
  })

  it('ends when the store does not answer in time, and says so in time', async () => {
    const ping = () => new Promise<void>(() => undefined)
    const { status, store } = await readinessOf({ ping, kafkaState: connected, draining })
    deepStrictEqual([status, store], ['not ready', 'unreachable'])
  })

  it('asks the store once for all who ask at the same time, and again for who asks later', async () => {
    let pings = 0
    const ping = () => {
      pings++
      return Promise.resolve()
    }
    const ready = readinessProbe({ ping, kafkaState: connected, draining })
    await Promise.all([ready(), ready(), ready()])
    deepStrictEqual(pings, 1)
    await ready()
    deepStrictEqual(pings, 2)
  })

  it('ends when the process drains', async () => {
    const ping = () => Promise.resolve()
    const readiness = await readinessOf({ ping, kafkaState: connected, draining: AbortSignal.abort() })
    deepStrictEqual([readiness.status, readiness.draining], ['not ready', true])
  })
})
