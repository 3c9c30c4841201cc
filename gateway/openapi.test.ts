import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { z } from 'zod'
import { createRouter } from './app.ts'
import type { GatewayUnderTest } from './gateway-under-test.ts'
import { dependenciesFor, goodRequest, startGateway } from './gateway-under-test.ts'
import { openApiDocument } from './openapi.ts'

interface Operation {
  readonly operationId: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly responses: Readonly<
    Record<string, { content?: Record<string, { schema: z.core.JSONSchema.JSONSchema }> }>
  >
}
const paths = openApiDocument.paths as unknown as Record<string, Record<string, Operation>>
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)
const schemas: Record<string, z.core.JSONSchema.JSONSchema> = openApiDocument.components.schemas
const nameOf = (reference: string): string => reference.replace('#/components/schemas/', '')

describe('the OpenAPI document', () => {
  it('describes every route of the router, and no other', () => {
    const stores = {} as Parameters<typeof dependenciesFor>[0]
    const routed = createRouter(dependenciesFor(stores)).stack.flatMap(({ path, methods }) =>
      methods
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${String(path).replaceAll(/:(\w+)/g, '{$1}')}`),
    )
    const described = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`)
    deepStrictEqual(described.sort(), routed.sort())
  })

  it('declares every parameter of a path, and names every operation once', () => {
    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      deepStrictEqual(
        declared.map(({ name }) => name),
        inPath,
      )
    }
    strictEqual(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length)
  })

  it('refers only to schemas that it has', () => {
    const references = JSON.stringify(openApiDocument).match(/"\$ref":"[^"]+"/g) ?? []
    ok(references.length > 10)
    for (const reference of references) {
      const name = nameOf(JSON.parse(reference.slice('"$ref":'.length)) as string)
      ok(name in schemas, reference)
    }
  })

  it('has schemas that can be read as JSON Schema', () => {
    for (const schema of Object.values(schemas)) z.fromJSONSchema(schema)
  })

  it('refuses what the gateway refuses, and accepts what it accepts', () => {
    const request = z.fromJSONSchema(schemas.CheckoutRequest ?? {})
    ok(request.safeParse(goodRequest).success)
    ok(!request.safeParse({ ...goodRequest, coupon: 'x' }).success)
    ok(!request.safeParse({ ...goodRequest, order: { items: [] } }).success)
  })
})

describe('what the gateway answers', () => {
  let gateway: GatewayUnderTest
  before(async () => {
    gateway = await startGateway()
  })
  after(() => gateway.close())

  const check = async (path: string, method: string, response: Response): Promise<unknown> => {
    const described = paths[path]?.[method]?.responses[response.status.toString()]
    ok(described, `${method} ${path} does not describe ${response.status}`)
    const mediaType = response.headers.get('content-type')?.split(';')[0] ?? ''
    const schema = described.content?.[mediaType]?.schema
    ok(schema, `${method} ${path} does not describe ${mediaType} for ${response.status}`)
    const body: unknown = await response.json()
    z.fromJSONSchema(schema.$ref === undefined ? schema : (schemas[nameOf(schema.$ref)] ?? {})).parse(body)
    return body
  }

  it('is as the document says, when it is asked well', async () => {
    const { checkoutId } = (await check('/checkouts', 'post', await gateway.post(goodRequest))) as {
      checkoutId: string
    }
    const { order, payment } = goodRequest
    await gateway.happen('users', checkoutId, `checkout/${checkoutId}@1/0`, {
      type: 'UserRegistered',
      data: { userId: 'u1', existing: false, order, payment },
    })
    await check('/checkouts/{checkoutId}', 'get', await gateway.get(`/checkouts/${checkoutId}`))
    await check('/problems/{code}', 'get', await gateway.get('/problems/not_found'))
    for (const path of ['/catalogue', '/openapi.json', '/healthz', '/readyz']) {
      await check(path, 'get', await gateway.get(path))
    }
  })

  it('is as the document says, when it is asked badly', async () => {
    await check('/checkouts', 'post', await gateway.post('{'))
    await check('/checkouts', 'post', await gateway.post({}))
    await check('/checkouts', 'post', await gateway.post(goodRequest, { 'content-type': 'text/plain' }))
    await check('/checkouts', 'post', await gateway.post('a'.repeat(100_000)))
    await check('/checkouts/{checkoutId}', 'get', await gateway.get('/checkouts/nobodys'))
    await check('/checkouts/{checkoutId}/events', 'get', await gateway.get('/checkouts/nobodys/events'))
    await check('/problems/{code}', 'get', await gateway.get('/problems/none'))
  })

  it('is this document, at its address', async () => {
    const served = (await (await gateway.get('/openapi.json')).json()) as { openapi: string }
    match(served.openapi, /^3\.1\./)
    deepStrictEqual(served, JSON.parse(JSON.stringify(openApiDocument)))
  })
})
