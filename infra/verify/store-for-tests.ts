/** The real store for a live test, under a prefix of its own, so that tests do not meet each other's data. */
import { randomUUID } from 'node:crypto'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { connectStore } from '../../shared/kernel/mongo.ts'
import { stackForTests } from './stack-for-tests.ts'

export async function storeForTests(): Promise<StoreConnection & { readonly databasePrefix: string }> {
  const stack = await stackForTests()
  await stack.ready('mongodb')
  const databasePrefix = `test-${randomUUID().slice(0, 8)}`
  const connection = await connectStore({ mongodbUrl: stack.urls.mongodbUrl, databasePrefix })
  return { ...connection, databasePrefix }
}
