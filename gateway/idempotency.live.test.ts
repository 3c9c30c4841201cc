/** Idempotency-Key over crashes of the gateway, with the real store and real deaths (shared/process/failpoints.ts). */
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { pickFreePorts } from '../infra/native/ports.ts'
import { storeForTests } from '../infra/verify/store-for-tests.ts'
import { stackForTests } from '../infra/verify/stack-for-tests.ts'
import type { StoreConnection } from '../shared/kernel/mongo.ts'
import { acceptedView } from './checkout-view.ts'
import type { RunningGateway } from './gateway-process.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { goodRequest } from './gateway-under-test.ts'
import { problemDocument } from './problem.ts'

describe('an Idempotency-Key, over a crash of the gateway', function () {
  this.timeout(60_000)
  let connection: StoreConnection
  let environment: Record<string, string>
  let running: RunningGateway | undefined

  before(async function () {
    this.timeout(20 * 60_000) // the servers may have to be installed first
    const store = await storeForTests()
    connection = store
    environment = {
      MONGODB_URL: (await stackForTests()).urls.mongodbUrl,
      MONGODB_DATABASE_PREFIX: store.databasePrefix,
      KAFKA_BROKERS: `127.0.0.1:${(await pickFreePorts()).kafka}`, // where nobody listens
    }
  })
  after(() => connection.close())
  afterEach(() => {
    running?.process.kill('SIGKILL')
  })

  const start = async (more: Record<string, string> = {}): Promise<RunningGateway> => {
    running = await startGatewayProcess({ ...environment, ...more })
    return running
  }
  const post = ({ url }: RunningGateway, key: string, body: unknown = goodRequest) =>
    fetch(`${url}/checkouts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
    })
  const idOf = async (response: Response): Promise<string> => {
    strictEqual(response.status, 202)
    return acceptedView.parse(await response.json()).checkoutId
  }
  const countOf = (collection: string, filter: object): Promise<number> =>
    connection.databaseOf('checkout').collection(collection).countDocuments(filter)

  const { user, order, payment } = goodRequest
  const reordered = { payment, order, user: { name: user.name, email: user.email } }
  const another = { ...goodRequest, payment: { token: 'tok_slow' } }

  for (const { failpoint, commits } of [
    { failpoint: 'request-read', commits: 0 },
    { failpoint: 'batch-inserted', commits: 1 },
    { failpoint: 'request-committed', commits: 1 },
  ]) {
    it(`makes one checkout of all requests, those after a death at ${failpoint} included`, async () => {
      const key = randomUUID()
      const commitsBefore = await countOf('commits', {})
      const dying = await start({ FAILPOINT: failpoint })
      const died = once(dying.process, 'exit')
      await rejects(post(dying, key))
      deepStrictEqual(await died, [null, 'SIGKILL'])
      strictEqual(await countOf('commits', {}), commitsBefore + commits)

      const next = await start()
      await idOf(await post(next, key))
      const refused = await post(next, key, another)
      strictEqual(refused.status, 422)
      strictEqual(problemDocument.parse(await refused.json()).type, '/problems/idempotency_key_reused')
      const bodies = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? goodRequest : reordered))
      const ids = await Promise.all(bodies.map(async (body) => idOf(await post(next, key, body))))
      strictEqual(new Set(ids).size, 1)
      strictEqual(await countOf('commits', { checkoutId: ids[0] }), 1)
      strictEqual(await countOf('commits', {}), commitsBefore + 1)
    })
  }
})
