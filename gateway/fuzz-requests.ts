/** For the fuzz test: requests made from the OpenAPI document, right ones, nearly right ones, and anything else. */
import fc from 'fast-check'

export interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly format?: string
  readonly pattern?: string
}

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'header'
  readonly schema: Schema
}

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

export interface FuzzedRequest {
  readonly method: string
  /** The path of the document that it was made for; undefined where it was made for none. */
  readonly template: string | undefined
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer | undefined
  /** What the body says, when it is JSON. */
  readonly json: unknown
}

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '',
    '\0',
    '\ud800',
    '__proto__',
    '$ne',
    '../..',
    "' or 1=1 --",
    '<script>',
    '\u202e',
    'é'.repeat(300),
  ),
)

const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  anyText,
  fc.constantFrom<unknown>(null, true, [], {}, 0, -0, -1, 1.5, 1e21, 1e308, 2 ** 53, '2', [[[[]]]]),
  fc.jsonValue({ maxDepth: 4 }),
  fc
    .integer({ min: 14, max: 40 })
    .map((depth) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`) as unknown),
)

/** Values that a schema allows. */
export function valueOf(schema: Schema, schemas: OpenApi['components']['schemas']): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) {
    return valueOf(schemas[schema.$ref.replace('#/components/schemas/', '')] ?? {}, schemas)
  }
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.type === 'object') {
    const properties = Object.entries(schema.properties ?? {}).map(
      ([name, property]) => [name, valueOf(property, schemas)] as const,
    )
    return fc.record(Object.fromEntries(properties), { requiredKeys: [...(schema.required ?? [])] })
  }
  if (schema.type === 'array') {
    return fc.array(valueOf(schema.items ?? {}, schemas), {
      minLength: schema.minItems ?? 0,
      maxLength: schema.maxItems ?? 5,
    })
  }
  if (schema.type === 'integer') {
    return fc.integer({ min: schema.minimum ?? -1_000, max: schema.maximum ?? 1_000 })
  }
  if (schema.format === 'email') return fc.stringMatching(/^[a-z0-9]{1,20}@[a-z0-9]{1,20}\.[a-z]{2,5}$/)
  if (schema.type === 'string') {
    const length = { minLength: schema.minLength ?? 0, maxLength: schema.maxLength ?? 100 }
    const text = fc.oneof(fc.string(length), fc.string({ ...length, unit: 'binary', size: 'max' }))
    const shortened = text.map((whole) => whole.slice(0, length.maxLength).toWellFormed())
    const pattern = new RegExp(schema.pattern ?? '')
    return shortened.filter((each) => pattern.test(each))
  }
  return anyValue
}

/** Somewhere in a value, something else: another value, one more field, one less. */
const changed = (values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(values, fc.nat(1_000), fc.constantFrom('replace', 'add', 'remove'), anyText, anyValue)
    .map(([value, at, how, name, other]) => {
      const copy = structuredClone(value)
      const spots = spotsIn(copy)
      const spot = spots[at % spots.length] ?? []
      const parent = spot.slice(0, -1).reduce((inner, key) => (inner as Record<string, unknown>)[key], copy)
      const key = spot.at(-1)
      if (key === undefined) return other
      const holder = parent as Record<string, unknown>
      if (how === 'replace') holder[key] = other
      else if (how === 'add')
        Object.defineProperty(holder, name, { value: other, enumerable: true, configurable: true })
      else Reflect.deleteProperty(holder, key)
      return copy
    })

function spotsIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => spotsIn(inner, [...path, key]))]
}

/** What becomes of a body that was JSON. */
const twists: fc.Arbitrary<(json: Buffer) => Buffer> = fc.oneof(
  fc.nat(10_000).map((at) => (json: Buffer) => json.subarray(0, at % json.length)),
  fc.nat(10_000).map((at) => (json: Buffer) => {
    const notUtf8 = Buffer.from([0xff, 0xc0, 0x80])
    return Buffer.concat([json.subarray(0, at % json.length), notUtf8, json])
  }),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => () => Buffer.from(bytes)),
  fc
    .constantFrom('', ' ', '[', '{"a":1}{"b":2}', 'NaN', '1e999', '\ufeff{}')
    .map((text) => () => Buffer.from(text)),
  fc.constant(() => Buffer.alloc(70_000, 0x20)),
)

const headerText = fc.string({ maxLength: 60 }).map((text) => text.trim())
const hostileHeaders: fc.Arbitrary<readonly (readonly [string, string])[]> = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constantFrom(
        'Accept',
        'Accept-Encoding',
        'Cookie',
        'Authorization',
        'X-Forwarded-For',
        'Forwarded',
        'Range',
        'If-Match',
        'Origin',
        'Last-Event-ID',
        'X-HTTP-Method-Override',
        'Upgrade',
        'Content-Encoding',
        'baggage',
        'b3',
      ),
      headerText,
    ),
    fc.tuple(
      fc.constant('traceparent'),
      fc.oneof(headerText, fc.stringMatching(/^0[0-9a-f]-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9]$/)),
    ),
    fc.tuple(fc.constant('Idempotency-Key'), fc.oneof(headerText, fc.uuid(), fc.constant('a'.repeat(256)))),
    fc.tuple(fc.stringMatching(/^X-[a-z]{1,10}$/), fc.string({ maxLength: 3_000 })),
  ),
  { maxLength: 4 },
)

const mediaType = fc.oneof(
  { weight: 8, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'text/plain',
      'application/json; charset=latin1',
      'multipart/form-data; boundary=x',
      '',
      'application/json;',
    ),
  },
)

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'] as const

/** @param ids of checkouts that exist */
export function requestsFor(document: OpenApi, ids: readonly string[]): fc.Arbitrary<FuzzedRequest> {
  const { schemas } = document.components
  const operations = Object.entries(document.paths).flatMap(([template, byMethod]) =>
    Object.entries(byMethod).map(([method, operation]) => ({
      template,
      method: method.toUpperCase(),
      operation,
    })),
  )
  const pathValue = fc.oneof(
    fc.constantFrom(...ids, 'not_found'),
    anyText.map((text) => encodeURIComponent(text.toWellFormed())),
    fc.stringMatching(/^[!$&-;=@A-Z_a-z~%]{1,80}$/),
  )
  const query = fc.oneof({ weight: 4, arbitrary: fc.constant('') }, fc.stringMatching(/^\?[!-~]{0,40}$/))

  const forOperation = ({ template, method, operation }: (typeof operations)[number]) => {
    const schema = operation.requestBody?.content['application/json']?.schema
    const allowed = valueOf(schema ?? {}, schemas)
    const request = fc.record({
      method: fc.oneof(
        { weight: 6, arbitrary: fc.constant(method) },
        { weight: 1, arbitrary: fc.constantFrom(...methods) },
      ),
      values: fc.array(pathValue, { minLength: 2, maxLength: 2 }),
      query,
      headers: hostileHeaders,
      mediaType,
      json: schema ? fc.oneof(allowed, changed(allowed), anyValue) : fc.constant(undefined),
      twist: fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: twists }),
    })
    return request.map(({ values, mediaType: contentType, json, twist, ...rest }): FuzzedRequest => {
      const left = [...values]
      const target = template.replaceAll(/\{\w+\}/g, () => left.pop() ?? '') + rest.query
      const text = JSON.stringify(json) as string | undefined
      if (text === undefined) return { ...rest, template, target, body: undefined, json: undefined }
      const body = twist ? twist(Buffer.from(text)) : Buffer.from(text)
      const headers = [['Content-Type', contentType] as const, ...rest.headers]
      return {
        ...rest,
        template,
        target,
        headers,
        body,
        json: twist ? undefined : (JSON.parse(text) as unknown),
      }
    })
  }
  // Most of what can go wrong goes wrong with a body.
  const forSome = fc.oneof(
    ...operations.map((each) => ({
      weight: each.operation.requestBody ? 8 : 1,
      arbitrary: forOperation(each),
    })),
  )
  const forNone = fc.record({
    method: fc.constantFrom(...methods),
    template: fc.constant(undefined),
    target: fc.oneof(
      fc.stringMatching(/^\/[!-~]{0,60}$/),
      fc.constantFrom(
        '*',
        '//',
        '/..',
        '/%',
        '/checkouts/',
        '/CATALOGUE',
        'http://[::1',
        '/checkouts/%00',
        '/.git/config',
      ),
    ),
    headers: hostileHeaders,
    body: fc.constant(undefined),
    json: fc.constant(undefined),
  })
  return fc.oneof({ weight: 6, arbitrary: forSome }, { weight: 1, arbitrary: forNone })
}

export function bytesOf({ method, target, headers, body }: FuzzedRequest): Buffer {
  const length = body ? [['Content-Length', body.length.toString()] as const] : []
  const lines = [['Host', 'gateway.example'], ['Connection', 'close'], ...length, ...headers] as const
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${head}\r\n`, 'latin1'),
    body ?? Buffer.alloc(0),
  ])
}

const raw = (text: string): Buffer => Buffer.from(text, 'latin1')
const oddities = [
  'GET / HTTP/1.1\r\n\r\n',
  'GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /checkouts/\0 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET http://a:99999/healthz HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET //a/healthz HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /healthz HTTP/1.0\r\n\r\n',
  'GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n',
  'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  'POST /checkouts HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n',
  'POST /checkouts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n',
  'POST /checkouts HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n',
  'POST /checkouts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n',
  `GET /healthz HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`,
  `GET /${'a'.repeat(40_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: a\r\n${'X: a\r\n'.repeat(2_500)}\r\n`,
  'GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n',
  '\r\n\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n',
  '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00',
]

/** What is sent on one connection, in the pieces that it arrives in. */
export function conversationsFor(document: OpenApi, ids: readonly string[]): fc.Arbitrary<readonly Buffer[]> {
  // The answer to HEAD says a length that does not follow: among several nobody could tell where the next begins.
  const telling = requestsFor(document, ids).filter(({ method }) => method !== 'HEAD')
  const request = telling.map((made) => {
    const bytes = bytesOf(made).toString('latin1')
    return raw(bytes.replace('Connection: close', 'Connection: keep-alive'))
  })
  const noise = fc.uint8Array({ minLength: 1, maxLength: 500 }).map((bytes) => Buffer.from(bytes))
  const bitten = fc
    .tuple(request, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 5 }))
    .map(([bytes, bites]) => {
      const copy = Buffer.from(bytes)
      for (const [at, byte] of bites) copy[at % copy.length] = byte
      return copy
    })
  const cut = fc.tuple(request, fc.nat(1_000)).map(([bytes, at]) => bytes.subarray(0, at % bytes.length))
  const oddity = fc.constantFrom(...oddities).map(raw)
  const message = fc.oneof(request, noise, bitten, cut, oddity)
  return fc
    .tuple(fc.array(message, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(600), { maxLength: 3 }))
    .map(([messages, cuts]) => inPieces(Buffer.concat(messages), cuts))
}

function inPieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}
