/** The real store for a live test, under a prefix of its own, so that tests do not meet each other's data. */
import { randomUUID } from 'node:crypto'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { connectStore } from '../../shared/kernel/mongo.ts'
import type { CountingRelay } from './mongodb-counting-relay.ts'
import { startCountingRelay } from './mongodb-counting-relay.ts'
import { stackForTests } from './stack-for-tests.ts'

export async function storeForTests(): Promise<StoreConnection & { readonly databasePrefix: string }> {
  const stack = await stackForTests()
  await stack.ready('mongodb')
  const databasePrefix = `test-${randomUUID().slice(0, 8)}`
  const connection = await connectStore({ mongodbUrl: stack.urls.mongodbUrl, databasePrefix })
  return { ...connection, databasePrefix }
}

/** The same, with all that it is asked counted. */
export async function countedStoreForTests(): Promise<StoreConnection & { readonly relay: CountingRelay }> {
  const stack = await stackForTests()
  await stack.ready('mongodb')
  const url = new URL(stack.urls.mongodbUrl)
  const relay = await startCountingRelay(Number(url.port))
  url.port = String(relay.port)
  const databasePrefix = `test-${randomUUID().slice(0, 8)}`
  const connection = await connectStore({ mongodbUrl: url.href, databasePrefix })
  const close = async (): Promise<void> => {
    await connection.close()
    await relay.close()
  }
  return { ...connection, relay, close }
}
