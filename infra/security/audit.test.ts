import { deepEqual, equal, match } from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { askOsv, exitCodeOf, readNpmAnswer, type Verdict } from './audit.ts'

describe('the audit', () => {
  const verdict = (outcome: Verdict['outcome']): Verdict => ({ asked: 'x', outcome, lines: [] })

  it('passes only when all could be asked and knew of nothing', () => {
    equal(exitCodeOf([verdict('clean'), verdict('clean')]), 0)
    equal(exitCodeOf([verdict('clean'), verdict('could not ask')]), 3)
    equal(exitCodeOf([verdict('could not ask'), verdict('findings')]), 1)
  })

  it('reads what npm knows, and takes a registry that refuses the question for no answer', () => {
    const read = (answer: unknown) => readNpmAnswer('npm audit', JSON.stringify(answer))
    equal(read({ auditReportVersion: 2, vulnerabilities: {} }).outcome, 'clean')
    deepEqual(read({ vulnerabilities: { koa: { severity: 'high', range: '<3' } } }), {
      asked: 'npm audit',
      outcome: 'findings',
      lines: ['koa <3: high'],
    })
    equal(read({ invalid: [], missing: [] }).outcome, 'clean')
    deepEqual(read({ invalid: [{ name: 'koa', version: '3.3.0' }], missing: [] }).lines, [
      "koa 3.3.0: its signature is not its registry's",
    ])
    deepEqual(read({ message: '405 Method Not Allowed' }), {
      asked: 'npm audit',
      outcome: 'could not ask',
      lines: ['405 Method Not Allowed'],
    })
    equal(readNpmAnswer('npm audit', '').outcome, 'could not ask')
  })

  describe('with OSV', () => {
    let server: Server
    let answer: { status: number; body: unknown }
    const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

    before(async () => {
      server = createServer((request, response) => {
        request.resume()
        response.statusCode = answer.status
        response.end(JSON.stringify(answer.body))
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
    })
    after(() => server.close())

    it('names the packages of which it knows something', async () => {
      answer = { status: 200, body: { results: [{}, { vulns: [{ id: 'GHSA-1' }, { id: 'CVE-2' }] }] } }
      deepEqual((await askOsv(['pkg:npm/a@1', 'pkg:golang/b@v2'], url())).lines, [
        'pkg:golang/b@v2: GHSA-1, CVE-2',
      ])
      answer = { status: 200, body: { results: [{}] } }
      equal((await askOsv(['pkg:npm/a@1'], url())).outcome, 'clean')
    })

    it('says that it could not ask when nobody, or somebody else, answers', async () => {
      answer = { status: 503, body: {} }
      deepEqual(await askOsv(['pkg:npm/a@1'], url()), {
        asked: 'OSV',
        outcome: 'could not ask',
        lines: ['it answered 503'],
      })
      answer = { status: 200, body: { results: [] } }
      equal((await askOsv(['pkg:npm/a@1'], url())).outcome, 'could not ask')
      const nobody = await askOsv(['pkg:npm/a@1'], 'http://127.0.0.1:1')
      equal(nobody.outcome, 'could not ask')
      match(nobody.lines[0] ?? '', /fetch failed/)
    })
  })
})
