import { deepEqual, equal, rejects } from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import type { HealthServer } from './health.ts'
import { startHealthServer } from './health.ts'

const anyPort = { host: '127.0.0.1', port: 0 }

describe('the health of a process', () => {
  let server: HealthServer
  let ready: () => Promise<boolean>
  before(async () => {
    server = await startHealthServer(anyPort, () => ready())
  })
  after(() => server.close())

  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`)
    return { status: response.status, body: await response.json() }
  }

  it('is alive while it answers, ready or not', async () => {
    ready = () => Promise.resolve(false)
    deepEqual(await get('/healthz'), { status: 200, body: { status: 'alive' } })
  })

  it('is ready when it says so', async () => {
    ready = () => Promise.resolve(true)
    deepEqual(await get('/readyz'), { status: 200, body: { status: 'ready' } })
  })

  it('is not ready when it says so, or cannot say', async () => {
    ready = () => Promise.resolve(false)
    deepEqual(await get('/readyz'), { status: 503, body: { status: 'not ready' } })
    ready = () => Promise.reject(new Error('store away'))
    deepEqual(await get('/readyz'), { status: 503, body: { status: 'not ready' } })
  })

  it('is asked at two places and nowhere else', async () => {
    equal((await get('/')).status, 404)
    equal((await get('/readyz/more')).status, 404)
  })

  it('is not told on a port that is taken', async () => {
    await rejects(startHealthServer({ ...anyPort, port: server.port }, ready), { code: 'EADDRINUSE' })
  })

  it('is told no more once closed, also not to whoever is still connected', async () => {
    const closing = await startHealthServer(anyPort, ready)
    const socket = connect({ host: '127.0.0.1', port: closing.port })
    await once(socket, 'connect')
    const closed = once(socket.resume(), 'close')
    closing.close()
    await closed
    await rejects(fetch(`http://127.0.0.1:${closing.port}/healthz`))
  })
})
