import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ElasticsearchRefused, setUpElasticsearch } from './set-up.ts'

interface Asked {
  readonly method: string
  readonly path: string
  readonly body: unknown
}

/** Remembers what it was asked and knows the alias from the first index on. */
class RecordingElasticsearch {
  readonly asked: Asked[] = []
  readonly #server: Server
  refuses: string | undefined

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const path = request.url ?? ''
        const hasAlias = this.asked.some((earlier) => earlier.path === '/sagascope-logs-000001')
        this.asked.push({
          method: request.method ?? '',
          path,
          body: text === '' ? undefined : JSON.parse(text),
        })
        const missing = path === '/_alias/sagascope-logs' && !hasAlias
        response.statusCode = path === this.refuses ? 400 : missing ? 404 : 200
        response.end('{}')
      })
    })
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

describe('setting up Elasticsearch', () => {
  let elasticsearch: RecordingElasticsearch
  let url: string
  beforeEach(async () => {
    elasticsearch = new RecordingElasticsearch()
    url = await elasticsearch.start()
  })
  afterEach(() => elasticsearch.stop())

  const bodyOf = (path: string) => elasticsearch.asked.find((asked) => asked.path === path)?.body

  it('puts policy and template before the first index, which is what the Collector writes to', async () => {
    await setUpElasticsearch(url)
    deepEqual(
      elasticsearch.asked.map(({ method, path }) => `${method} ${path}`),
      [
        'PUT /_ilm/policy/sagascope-logs',
        'PUT /_index_template/sagascope-logs',
        'GET /_alias/sagascope-logs',
        'PUT /sagascope-logs-000001',
      ],
    )
    deepEqual(bodyOf('/sagascope-logs-000001'), {
      aliases: { 'sagascope-logs': { is_write_index: true } },
    })
  })

  it('deletes after seven days', async () => {
    await setUpElasticsearch(url)
    const { policy } = bodyOf('/_ilm/policy/sagascope-logs') as {
      policy: { phases: Record<string, { min_age: string; actions: object }> }
    }
    equal(policy.phases.delete?.min_age, '7d')
    ok('rollover' in (policy.phases.hot?.actions ?? {}))
  })

  it('adds the policy to the template and leaves the fields as they are everywhere', async () => {
    await setUpElasticsearch(url)
    const file = new URL('index-template.json', import.meta.url)
    const plain = JSON.parse(await readFile(file, 'utf8')) as { template: { settings: object } }
    const put = structuredClone(bodyOf('/_index_template/sagascope-logs')) as typeof plain
    deepEqual(put, {
      ...plain,
      template: {
        ...plain.template,
        settings: {
          ...plain.template.settings,
          'index.lifecycle.name': 'sagascope-logs',
          'index.lifecycle.rollover_alias': 'sagascope-logs',
        },
      },
    })
  })

  it('does not begin anew where there is an index', async () => {
    await setUpElasticsearch(url)
    await setUpElasticsearch(url)
    equal(elasticsearch.asked.filter(({ path }) => path === '/sagascope-logs-000001').length, 1)
  })

  it('says what was refused', async () => {
    elasticsearch.refuses = '/_ilm/policy/sagascope-logs'
    await rejects(setUpElasticsearch(url), (error) => {
      ok(error instanceof ElasticsearchRefused)
      equal(error.message, 'PUT /_ilm/policy/sagascope-logs was answered with 400: {}')
      return true
    })
  })
})
