/**
 * The gateway as a process, on the real store, under requests made from its own OpenAPI document and under bytes that
 * are no requests. FUZZ_RUNS says how many of each, FUZZ_SEED repeats a run; a failure prints the seed and the path to
 * its smallest example.
 */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import type { ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { pickFreePorts } from '../infra/native/ports.ts'
import { eventually } from '../infra/verify/eventually.ts'
import { stackForTests } from '../infra/verify/stack-for-tests.ts'
import { storeForTests } from '../infra/verify/store-for-tests.ts'
import { acceptedView } from './checkout-view.ts'
import type { FuzzedRequest, OpenApi, Schema } from './fuzz-requests.ts'
import { bytesOf, conversationsFor, requestsFor } from './fuzz-requests.ts'
import type { RunningGateway } from './gateway-process.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { goodRequest } from './gateway-under-test.ts'
import { problemMediaType } from './problem.ts'
import type { RawAnswer } from './raw-connection.ts'
import { answersIn, RawConnection } from './raw-connection.ts'

const numRuns = Number(process.env.FUZZ_RUNS ?? 400)
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** For one exchange. */
const patienceMillis = 20_000

describe(`the gateway under fuzz (FUZZ_SEED=${seed} FUZZ_RUNS=${numRuns})`, function () {
  this.timeout(60_000 + numRuns * 500)
  let gateway: RunningGateway
  let document: OpenApi
  let ids: readonly string[]
  let close: () => Promise<void>

  before(async function () {
    this.timeout(20 * 60_000) // the servers may have to be installed first
    const store = await storeForTests()
    close = () => store.close()
    gateway = await startGatewayProcess({
      MONGODB_URL: (await stackForTests()).urls.mongodbUrl,
      MONGODB_DATABASE_PREFIX: store.databasePrefix,
      KAFKA_BROKERS: `127.0.0.1:${(await pickFreePorts()).kafka}`, // where nobody listens
      GATEWAY_BACKLOG_LIMIT: '1000000',
      GATEWAY_BACKLOG_AGE_LIMIT_MILLIS: '100000000',
      RATE_LIMIT_PER_CALLER: '1000000',
      RATE_LIMIT_OVERALL: '1000000',
    })
    document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as OpenApi
    const accepted = await fetch(`${gateway.url}/checkouts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(goodRequest),
    })
    ids = [acceptedView.parse(await accepted.json()).checkoutId]
  })
  after(async () => {
    gateway.process.kill('SIGKILL')
    await close()
  })

  /** Sends the pieces, and reads until the gateway closes; a stream of events is left as soon as it has begun. */
  async function exchange(
    pieces: readonly Buffer[],
    { then }: { then: 'end' | 'wait' },
  ): Promise<RawAnswer[]> {
    const connection = await RawConnection.to(gateway.url)
    try {
      for (const piece of pieces) {
        connection.send(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      if (then === 'end') connection.endSending()
      let isOver = false
      void connection.untilClosed().then(() => (isOver = true))
      await eventually(
        'the end of the connection',
        () =>
          Promise.resolve(
            isOver || /content-type: text\/event-stream/i.test(connection.received) || undefined,
          ),
        { deadlineMillis: patienceMillis, intervalMillis: 2 },
      )
      return answersIn(connection.received)
    } finally {
      connection.close()
    }
  }

  it('answers every request as its document says, and accepts exactly what the document allows', async () => {
    const described = new Described(document)
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(requestsFor(document, ids), async (request) => {
        const [answer, ...more] = await exchange([bytesOf(request)], { then: 'wait' })
        ok(answer, 'an answer')
        strictEqual(more.length, 0)
        described.check(request, answer)
        seen.set(`${answer.status}`, (seen.get(`${answer.status}`) ?? 0) + 1)
      }),
      { seed, numRuns },
    )
    const statuses = [...seen].sort().map(([status, count]) => `${status}: ${count}`)
    for (const status of ['200', '202', '400', '404', '405', '422']) {
      ok(seen.has(status) || numRuns < 400, `some ${status}; were: ${statuses.join(', ')}`)
    }
  })

  it('answers bytes that are no request with problems, and every connection comes to its end', async () => {
    await fc.assert(
      fc.asyncProperty(conversationsFor(document, ids), async (pieces) => {
        for (const answer of await exchange(pieces, { then: 'end' })) checkAnyAnswer(answer)
      }),
      { seed, numRuns },
    )
  })

  it('is alive and well afterwards, and has failed inside nowhere', async () => {
    strictEqual((await fetch(`${gateway.url}/readyz`)).status, 200)
    strictEqual(gateway.process.exitCode, null)
    const failures = ['http.request_failed', 'process.failed', 'store.unavailable']
    deepStrictEqual(
      gateway.lines.filter((line) => failures.includes(line['event.name'] ?? '')),
      [],
    )
  })
})

function checkAnyAnswer({ status, headers, body }: RawAnswer): void {
  ok(status < 500, `${status} ${body}`)
  strictEqual(headers['x-content-type-options'], 'nosniff')
  strictEqual(headers.server, undefined)
  if (status < 400) return
  strictEqual(headers['content-type'], problemMediaType)
  ok(!/at .+:\d+:\d+|node:|HPE_/.test(body), body)
}

/** The document as an oracle. Its schemas are read by a validator that has nothing to do with how they were made. */
class Described {
  readonly #document: OpenApi
  readonly #ajv: Ajv2020
  readonly #validators = new Map<Schema, ValidateFunction>()

  constructor(document: OpenApi) {
    this.#document = document
    this.#ajv = new Ajv2020({ strict: false, unicode: false, logger: false }) // lengths as the document says that they count
    addFormats.default(this.#ajv)
    this.#ajv.addSchema(document, 'openapi')
  }

  check(request: FuzzedRequest, answer: RawAnswer): void {
    checkAnyAnswer(answer)
    const { method, template } = request
    const { status, headers, body } = answer
    const mediaType = headers['content-type']?.split(';')[0] ?? ''
    // A value for a path may have a slash in it, and then it is another path.
    const operation = isFor(template, request.target)
      ? this.#document.paths[template ?? '']?.[method === 'HEAD' ? 'get' : method.toLowerCase()]
      : undefined
    if (!operation) {
      if (isFor(template, request.target)) ok([400, 405, 431].includes(status), `${status}`)
      return
    }
    const response = operation.responses[status]
    ok(response, `${method} ${String(template)} does not describe ${status}`)
    if (status !== 204) {
      const schema = response.content?.[mediaType]?.schema
      ok(schema, `${method} ${String(template)} does not describe ${mediaType} for ${status}`)
      if (method !== 'HEAD' && mediaType.endsWith('json')) this.#validate(schema, JSON.parse(body))
    }
    const bodySchema = operation.requestBody?.content['application/json']?.schema
    if (!bodySchema || request.json === undefined) return
    const isAllowed = this.#validatorOf(bodySchema)(request.json)
    if (status === 202) ok(isAllowed, 'accepts what the document does not allow')
    if (status === 422 && isAllowed) {
      // The one thing that a schema of the body cannot say.
      ok(body.includes('idempotency_key_reused'), `refuses what the document allows: ${body}`)
    }
  }

  #validate(schema: Schema, value: unknown): void {
    const validate = this.#validatorOf(schema)
    ok(validate(value), this.#ajv.errorsText(validate.errors))
  }

  #validatorOf(schema: Schema): ValidateFunction {
    const known = this.#validators.get(schema)
    if (known) return known
    const made = this.#ajv.compile(schema.$ref === undefined ? schema : { $ref: `openapi${schema.$ref}` })
    this.#validators.set(schema, made)
    return made
  }
}

const isFor = (template: string | undefined, target: string): boolean => {
  if (template === undefined) return false
  const path = target.split('?', 1)[0] ?? ''
  return new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path)
}
