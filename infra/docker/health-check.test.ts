import { deepEqual, equal } from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readComposeFile } from './compose-file.ts'
import { passesHealthCheck } from './health-check.ts'

const file = readComposeFile()

// Those that ask over HTTP; the others are tried against real servers in image.live.test.ts.
describe('the health check of', () => {
  let server: Server
  let port: string
  /** What the stand-in answers, by path; 404 where nothing is said. */
  let answers: Record<string, readonly [status: number, body?: string]>
  let asked: string[]

  beforeEach(async () => {
    answers = {}
    asked = []
    server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '', 'http://stand-in')
      asked.push(`${request.method ?? ''} ${pathname}`)
      const [status, body] = answers[pathname] ?? [404]
      request.resume().once('end', () => response.writeHead(status).end(body))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = String((server.address() as AddressInfo).port)
  })
  afterEach(() => server.close())

  for (const [name, place, path] of [
    ['elasticsearch', 'localhost:9200', '/_cluster/health'],
    ['jaeger', '127.0.0.1:13133', '/status'],
    ['prometheus', '127.0.0.1:9090', '/-/ready'],
    ['grafana', '127.0.0.1:3000', '/api/health'],
  ] as const) {
    it(`${name} passes once it says that it is well`, async () => {
      const isHealthy = () => passesHealthCheck(file, name, { [place]: `127.0.0.1:${port}` })
      answers[path] = [503]
      equal(await isHealthy(), false)
      answers[path] = [200, '{}']
      equal(await isHealthy(), true)
      deepEqual([...new Set(asked)], [`GET ${path}`])
    })
  }

  describe('kibana', () => {
    const status = '/api/status'
    const objects = '/api/saved_objects/_import'
    let folder: string
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sagascope-kibana-'))
    })
    afterEach(() => rm(folder, { recursive: true }))

    const isHealthy = () =>
      passesHealthCheck(file, 'kibana', {
        'localhost:5601': `127.0.0.1:${port}`,
        '/tmp': folder,
        '/sagascope.ndjson': join(import.meta.dirname, '..', 'kibana', 'sagascope.ndjson'),
      })
    const imports = () => asked.filter((line) => line === `POST ${objects}`).length

    it('passes when the saved objects are in, which it brings in once, and goes on passing', async () => {
      answers[status] = [503]
      equal(await isHealthy(), false)
      equal(imports(), 0, 'before it is available')

      answers[status] = [200]
      answers[objects] = [200, '{"successCount":4,"success":true}']
      for (const time of ['first', 'second', 'third']) equal(await isHealthy(), true, `the ${time} time`)
      equal(imports(), 1)

      answers[status] = [503]
      equal(await isHealthy(), false, 'when it is no longer available')
    })

    it('does not pass while they are refused, and tries again', async () => {
      answers[status] = [200]
      for (const refusal of [[500], [200, '{"successCount":3,"success":false,"errors":[{}]}']] as const) {
        answers[objects] = refusal
        equal(await isHealthy(), false)
      }
      answers[objects] = [200, '{"successCount":4,"success":true}']
      equal(await isHealthy(), true)
      equal(imports(), 3)
    })
  })
})
