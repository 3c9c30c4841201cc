import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Services } from '../../infra/native/services.ts'
import { prepareServices, serviceNames } from '../../infra/native/services.ts'
import { postCheckout, sampleCheckout } from '../../infra/verify/checkouts.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import type { CountingRelay, Operation } from '../../infra/verify/mongodb-counting-relay.ts'
import { startCountingRelay } from '../../infra/verify/mongodb-counting-relay.ts'

const checkouts = 500
const compensated = 50
const inFlight = 64

/** What is written by time and not by checkout. */
const perInterval = new Set(['writers', 'deadlines'])

describe('what a checkout costs the store', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let prefix: string
  let relay: CountingRelay
  let services: Services

  before(async () => {
    const stack = await stackForTests()
    await stack.ready('kafka')
    const store = await storeForTests()
    connection = store
    prefix = store.databasePrefix
    const url = new URL(stack.urls.mongodbUrl)
    relay = await startCountingRelay(Number(url.port))
    url.port = String(relay.port)
    services = await prepareServices(stack, {
      MONGODB_URL: url.href,
      MONGODB_DATABASE_PREFIX: prefix,
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    })
    await Promise.all(serviceNames.map((name) => services.up(name)))
    await load(10) // topics, groups and connections are there
  })
  after(async () => {
    await services.down()
    await relay.close()
    await connection.close()
  })

  const endedSoFar = () =>
    connection.databaseOf('checkout').collection('commits').countDocuments({ version: 2 })

  /** Places checkouts, `inFlight` at a time, and waits until all have ended; the waiting is not counted. */
  async function load(count: number, token?: string): Promise<void> {
    const before = await endedSoFar()
    let placed = 0
    const place = async (): Promise<void> => {
      while (placed < count) {
        placed += 1
        const request = sampleCheckout({ email: `${randomUUID()}@people.example`, ...(token && { token }) })
        equal((await postCheckout(services.gatewayUrl, request)).status, 202)
      }
    }
    await Promise.all(Array.from({ length: inFlight }, place))
    await eventually(
      `the end of ${count} checkouts`,
      async () => (await endedSoFar()) - before >= count || undefined,
      { deadlineMillis: 90_000 },
    )
  }

  const owned = ({ database }: Operation) => database.startsWith(`${prefix}-`)
  const ownerOf = ({ database, collection }: Operation) =>
    `${database.slice(prefix.length + 1)}.${collection}`

  /** All operations of the services on their databases while something goes on, and how long that took. */
  async function countWhile(work: () => Promise<void>) {
    const from = relay.operations.length
    const beganAt = performance.now()
    await work()
    const seconds = (performance.now() - beganAt) / 1_000
    const all = relay.operations.slice(from).filter(owned)
    return {
      seconds,
      perCheckout: all.filter(({ collection }) => !perInterval.has(collection)),
      perInterval: all.filter(({ collection }) => perInterval.has(collection)),
    }
  }

  function insertedBy(operations: readonly Operation[]): Record<string, number> {
    const inserted: Record<string, number> = {}
    for (const operation of operations) {
      const owner = ownerOf(operation)
      inserted[owner] = (inserted[owner] ?? 0) + operation.documents
    }
    return inserted
  }

  function commandsOf(operations: readonly Operation[]): Record<string, number> {
    const commands: Record<string, number> = {}
    for (const operation of operations) {
      const key = `${operation.command} ${ownerOf(operation)}`
      commands[key] = (commands[key] ?? 0) + 1
    }
    return commands
  }

  it('is eight inserted documents, no read, no update and no delete, when it completes', async () => {
    const counted = await countWhile(() => load(checkouts))
    const others = counted.perCheckout.filter(({ command }) => command !== 'insert')
    deepEqual(commandsOf(others), {})
    deepEqual(insertedBy(counted.perCheckout), {
      'checkout.commits': 2 * checkouts, // gateway and checkout
      'users.commits': checkouts,
      'users.email_register': checkouts,
      'orders.commits': 2 * checkouts,
      'payments.commits': checkouts,
      'payment-network.ledger': checkouts,
    })
    ok(counted.perCheckout.length < 4 * checkouts, `${counted.perCheckout.length} inserts: they go together`)

    // Each process looks at the writers and writes its own document once a second; checkout enters, and clears, one
    // document of deadlines a second.
    const beats = Math.ceil(counted.seconds) + 1
    const commands = commandsOf(counted.perInterval)
    for (const [key, count] of Object.entries(commands)) {
      const writers = key.includes(' checkout.') ? 2 : 1 // the gateway writes to checkout's
      ok(count <= writers * beats, `${key}: ${count} in ${counted.seconds} s`)
    }
    deepEqual(
      Object.keys(commands)
        .filter((key) => !/^(?:find|update) \w+\.writers$/.test(key))
        .filter((key) => !/^(?:insert|delete) checkout\.deadlines$/.test(key)),
      [],
    )
  })

  it('is at most twelve operations when it is compensated', async () => {
    const counted = await countWhile(() => load(compensated, 'tok_declined'))
    const inserted = insertedBy(counted.perCheckout)
    const documents = Object.values(inserted).reduce((sum, count) => sum + count, 0)
    const others = counted.perCheckout.filter(({ command }) => command !== 'insert')
    const told = JSON.stringify({ inserted, others: commandsOf(others) })
    ok(documents + others.length <= 12 * compensated, told)
    deepEqual(
      others.filter(({ command }) => command !== 'find').map(({ command }) => command),
      [],
    )
    equal(inserted['checkout.commits'], 2 * compensated)
  })

  it('leaves no deadlines behind', async () => {
    const deadlines = connection.databaseOf('checkout').collection('deadlines')
    await eventually('they are cleared', async () => (await deadlines.countDocuments({})) === 0 || undefined)
  })

  it('is nothing while nothing goes on', async () => {
    const idle = await countWhile(async () => {
      const looks = () =>
        relay.operations.filter(({ command, collection }) => command === 'find' && collection === 'writers')
          .length
      const before = looks()
      await eventually('two looks of each', () => Promise.resolve(looks() - before > 10 || undefined))
    })
    deepEqual(commandsOf(idle.perCheckout), {})
  })
})
