import { equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { FaultProxy } from '../../infra/chaos/fault-proxy.ts'
import { startFaultProxy } from '../../infra/chaos/fault-proxy.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { isRetriable } from '../kafka/failure.ts'
import type { StoreConnection } from './mongo.ts'
import { connectStore } from './mongo.ts'

describe('a connection to the store', function () {
  this.timeout(60_000)

  let proxy: FaultProxy
  let connection: StoreConnection

  before(async () => {
    const stack = await stackForTests()
    await stack.ready('mongodb')
    const url = new URL(stack.urls.mongodbUrl)
    proxy = await startFaultProxy({ targetPort: Number(url.port) })
    url.port = String(proxy.port)
    connection = await connectStore({
      mongodbUrl: url.href,
      databasePrefix: `test-${randomUUID().slice(0, 8)}`,
      responseTimeoutMillis: 500,
    })
  })
  after(async () => {
    await connection.close()
    await proxy.close()
  })

  it('fails a request whose answer gets lost, as one to try again, and works when answers come', async () => {
    const commits = connection.databaseOf('orders').collection<{ _id: string }>('commits')
    await commits.insertOne({ _id: 'before' })
    proxy.inject({ kind: 'black-hole', of: ['responses'] })
    const error: unknown = await commits.insertOne({ _id: 'unheard' }).catch((error: unknown) => error)
    ok(error instanceof Error)
    equal(isRetriable(error), true)
    proxy.inject({ kind: 'none' })
    equal(await commits.countDocuments({ _id: 'unheard' }), 1)
  })
})
