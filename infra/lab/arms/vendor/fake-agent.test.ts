import { deepEqual, equal } from 'node:assert/strict'
import type { FakeAgent } from './fake-agent.ts'
import { startFakeAgent } from './fake-agent.ts'

/** `[[{ name: 'kafka.produce' }, { name: 'mongodb.query' }], [{ name: 'mongodb.query' }]]` */
const query = '81a46e616d65ad6d6f6e676f64622e7175657279'
const traces = Buffer.from(
  `92 92 81a46e616d65ad6b61666b612e70726f64756365 ${query} 91 ${query}`.replaceAll(' ', ''),
  'hex',
)

describe('the fake of the vendor’s agent', () => {
  let agent: FakeAgent
  before(async () => {
    agent = await startFakeAgent()
  })
  after(() => agent.close())

  const put = (path: string, body: Buffer | string) =>
    fetch(`http://127.0.0.1:${agent.port}${path}`, { method: 'PUT', body: new Uint8Array(Buffer.from(body)) })

  it('counts the spans that it is sent, by operation', async () => {
    equal((await put('/v0.4/traces', traces)).status, 200)
    equal(agent.spans, 3)
    deepEqual(
      [...agent.spansByOperation],
      [
        ['kafka.produce', 1],
        ['mongodb.query', 2],
      ],
    )
  })

  it('takes everything else, and counts nothing of it', async () => {
    equal((await put('/telemetry/proxy/api/v2/apmtelemetry', '{}')).status, 200)
    deepEqual(
      ((await (await fetch(`http://127.0.0.1:${agent.port}/info`)).json()) as { endpoints: string[] })
        .endpoints,
      ['/v0.4/traces'],
    )
    equal(agent.spans, 3)
  })

  it('refuses traces that it cannot read: they would be missing from the count', async () => {
    equal((await put('/v0.4/traces', 'no traces')).status, 400)
    equal(agent.spans, 3)
  })
})
