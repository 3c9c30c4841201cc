import { rejects, strictEqual } from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import bunyan from 'bunyan'
import { BackgroundProducer } from './background-producer.ts'

const message = { topic: 'checkouts', key: 'c1', value: '{}', headers: {} }
const log = bunyan.createLogger({ name: 'tests', streams: [] })
const signal = new AbortController().signal
const unreachable = { code: 'kafka_unreachable', retriable: true }
const disconnect = () => Promise.resolve()

describe('a producer that connects in the background', () => {
  it('refuses to send at once while there is no connection', async () => {
    const producer = new BackgroundProducer({ connect: () => new Promise(() => undefined), log, signal })
    void producer.start()
    strictEqual(producer.state, 'connecting')
    await rejects(producer.send([message]), unreachable)
  })

  it('tries until it is connected, and sends then', async () => {
    let attempts = 0
    const sent: unknown[] = []
    const connect = () => {
      if (++attempts < 3) return Promise.reject(new Error('no broker'))
      return Promise.resolve({
        send: (messages: unknown) => Promise.resolve(void sent.push(messages)),
        disconnect,
      })
    }
    const producer = new BackgroundProducer({ connect, log, signal, retryIntervalMillis: 1 })
    await producer.start()
    strictEqual(producer.state, 'connected')
    await producer.send([message])
    strictEqual(sent.length, 1)
  })

  it('stops trying when the process drains', async () => {
    const drain = new AbortController()
    const connect = () => Promise.reject(new Error('no broker'))
    const producer = new BackgroundProducer({
      connect,
      log,
      signal: drain.signal,
      retryIntervalMillis: 60_000,
    })
    const started = producer.start()
    drain.abort()
    await started
    strictEqual(producer.state, 'connecting')
    await producer.stop()
  })

  it('reports Kafka as unreachable after a send that failed, and as connected after one that did not', async () => {
    let isUp = false
    const send = () => (isUp ? Promise.resolve() : Promise.reject(new Error('no leader')))
    const producer = new BackgroundProducer({
      connect: () => Promise.resolve({ send, disconnect }),
      log,
      signal,
    })
    await producer.start()
    await rejects(producer.send([message]), /no leader/)
    strictEqual(producer.state, 'unreachable')
    isUp = true
    await producer.send([message])
    strictEqual(producer.state, 'connected')
  })

  it('refuses at once to have more sends under way than it may hold in memory', async () => {
    const broker = Promise.withResolvers<undefined>()
    const connect = () => Promise.resolve({ send: () => broker.promise, disconnect })
    const producer = new BackgroundProducer({ connect, log, signal, underWayLimit: 2 })
    await producer.start()
    const held = [producer.send([message]), producer.send([message])]
    await rejects(producer.send([message]), { code: 'kafka_unreachable' })
    broker.resolve(undefined)
    await Promise.all(held)
    await producer.send([message])
  })

  it('lets nobody queue behind sends that wait for Kafka', async () => {
    const send = () => new Promise<void>(() => undefined)
    const connect = () => Promise.resolve({ send, disconnect })
    const producer = new BackgroundProducer({ connect, log, signal, patienceMillis: 5 })
    await producer.start()
    void producer.send([message])
    strictEqual(producer.state, 'connected')
    await delay(20)
    strictEqual(producer.state, 'unreachable')
    await rejects(producer.send([message]), unreachable)
  })
})
