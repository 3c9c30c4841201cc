/** The connection to the store; the only file that knows how databases are named. */
import type { Db } from 'mongodb'
import { MongoClient } from 'mongodb'
import type { Service } from '../saga/events.ts'
import type { Credentials } from '../process/transport-security.ts'
import './mongodb-ended-sockets.ts'

export interface StoreConfig {
  /** mongodb:// or mongodb+srv:// */
  readonly mongodbUrl: string
  /** Where they are not in the URL, which is shown more often than it should be. */
  readonly credentials?: Credentials | undefined
  /** Before the database names, so that several systems can share a server. */
  readonly databasePrefix: string
  /**
   * A request without an answer by then fails, as one to try again. Less than a handler may take
   * (HANDLER_TIMEOUT_MILLIS), or its process would end for an answer that got lost; longer than the longest look at a
   * store without indexes.
   */
  readonly responseTimeoutMillis?: number
}

export interface StoreConnection {
  /** The database that one service owns. */
  databaseOf(owner: Service | 'payment-network'): Db
  /** @throws when the server does not answer in time */
  ping(): Promise<void>
  close(): Promise<void>
}

/** @throws MongoServerSelectionError when no server answers within 10 s, or none that is trusted */
export async function connectStore(config: StoreConfig): Promise<StoreConnection> {
  const { mongodbUrl, databasePrefix, credentials, responseTimeoutMillis = 45_000 } = config
  const client = new MongoClient(mongodbUrl, {
    serverSelectionTimeoutMS: 10_000,
    socketTimeoutMS: responseTimeoutMillis, // `timeoutMS` is what would be right, and this driver ignores it
    ignoreUndefined: true,
    retryWrites: false, // what is tried again is tried by those who know whether that is safe
    ...(credentials && {
      auth: { username: credentials.username, password: credentials.password.reveal() },
    }),
  })
  await client.connect()
  return {
    databaseOf: (owner) => client.db(`${databasePrefix}-${owner}`),
    ping: async () => {
      await client.db('admin').command({ ping: 1 })
    },
    close: () => client.close(),
  }
}
