/** The gateway's own description, OpenAPI 3.1, made from the schemas that it checks and answers with. */
import { z } from 'zod'
import { catalogueView } from './catalogue.ts'
import { checkoutRequest } from './checkout-request.ts'
import { acceptedView, checkoutView, endView, step } from './checkout-view.ts'
import { bodyLimitBytes, jsonLimits } from './json-body.ts'
import { livenessView, readinessView } from './probes.ts'
import type { ProblemCode } from './problem.ts'
import { describeProblem, problemDescription, problemDocument, problemMediaType } from './problem.ts'
import { eventStreamMediaType } from './server-sent-events.ts'

const requestSchemas = { CheckoutRequest: checkoutRequest }
const responseSchemas = {
  Accepted: acceptedView,
  Checkout: checkoutView,
  Step: step,
  End: endView,
  Catalogue: catalogueView,
  Liveness: livenessView,
  Readiness: readinessView,
  Problem: problemDocument,
  ProblemDescription: problemDescription,
}
type SchemaName = keyof typeof requestSchemas | keyof typeof responseSchemas

const reference = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` })
const json = (name: SchemaName) => ({ 'application/json': { schema: reference(name) } })

const header = (description: string) => ({ description, schema: { type: 'string' } })
const traceresponse = header('`00-<trace-id>-<span-id>-<flags>`, W3C Trace Context Level 2')

const answer = (description: string, name: SchemaName, headers: object = {}) => ({
  description,
  headers: { traceresponse, ...headers },
  content: json(name),
})

// https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
const rateLimit = {
  'RateLimit-Policy': header('`"caller"` or `"overall"`, the quota `q`, and the window `w` in seconds'),
  RateLimit: header(
    'The same name, the requests that remain `r`, and the seconds `t` until they are all back',
  ),
}

/** What a request can meet wherever it goes: the parser's refusals, and the limits that come before the routes. */
const atTheConnection = ['malformed_request', 'request_timeout', 'headers_too_large'] as const
const anywhere = [...atTheConnection, 'rate_limited'] as const

/** Responses that are problem documents, those of one status put together. */
function refusals(...codes: ProblemCode[]): Record<string, object> {
  const titles = new Map<string, string[]>()
  for (const code of [...codes, ...anywhere, 'internal_error'] as const) {
    const { status = 500, title = '' } = describeProblem(code) ?? {}
    titles.set(status.toString(), [...(titles.get(status.toString()) ?? []), title])
  }
  return Object.fromEntries(
    [...titles].map(([status, all]) => [
      status,
      {
        description: all.join('; or: '),
        headers: {
          traceresponse,
          ...((status === '503' || status === '429') && { 'Retry-After': header('Seconds to wait') }),
          ...(status === '429' && rateLimit),
        },
        content: { [problemMediaType]: { schema: reference('Problem') } },
      },
    ]),
  )
}

const pathParameter = (name: string, description: string) => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
})
const checkoutId = pathParameter('checkoutId', 'A random id; whoever has it may read the checkout')

const paths = {
  '/checkouts': {
    post: {
      operationId: 'requestCheckout',
      summary: 'Ask for a checkout',
      description:
        'The 202 is a promise: the request is in the store, and it is worked on even if everything is restarted. ' +
        'Every 503 can be asked again after Retry-After; with an Idempotency-Key, which a client that asks again ' +
        'needs, it makes one checkout at most. ' +
        `The body is at most ${bodyLimitBytes} bytes, ${jsonLimits.depth} deep and of ${jsonLimits.values} values; ` +
        'lengths of texts count UTF-16 code units.',
      parameters: [
        {
          name: 'Idempotency-Key',
          in: 'header',
          description:
            'The same key with the same body gives the same checkout, however often and however soon it is sent; ' +
            'the order of the fields and the blanks between them do not matter. Keys do not expire. They are one ' +
            'namespace for all callers, so make them hard to guess: a random UUID. ' +
            'See draft-ietf-httpapi-idempotency-key-header.',
          schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
        },
        {
          name: 'traceparent',
          in: 'header',
          description: 'W3C Trace Context: the checkout becomes a part of this trace.',
          schema: { type: 'string' },
        },
      ],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: reference('CheckoutRequest'),
            example: {
              user: { email: 'ada@example.com', name: 'Ada' },
              order: { items: [{ sku: 'SAGA-MUG', quantity: 2 }] },
              payment: { token: 'tok_visa' },
            },
          },
        },
      },
      responses: {
        202: answer('Accepted', 'Accepted', { Location: header('Where to look for the checkout') }),
        ...refusals(
          'malformed_json',
          'json_too_complex',
          'incomplete_body',
          'invalid_idempotency_key',
          'body_too_large',
          'unsupported_media_type',
          'validation_failed',
          'idempotency_key_reused',
          'store_unavailable',
          'outcome_unknown',
          'overloaded',
          'backlog_full',
        ),
      },
    },
  },
  '/checkouts/{checkoutId}': {
    get: {
      operationId: 'getCheckout',
      summary: 'Where a checkout stands, and how it got there',
      description:
        'Before its end a checkout is requested, registered, ordered, paid and confirmed, or compensating once ' +
        'something is taken back, or expired once its deadline has passed. It ends completed, compensated or rejected.',
      parameters: [checkoutId],
      responses: {
        200: answer('The checkout', 'Checkout'),
        ...refusals('checkout_not_found', 'store_unavailable', 'overloaded'),
      },
    },
  },
  '/checkouts/{checkoutId}/events': {
    get: {
      operationId: 'followCheckout',
      summary: 'Follow a checkout, as server-sent events',
      description:
        'Each step is an event `step` with the step’s id and a Step as data: those that there are, then live. ' +
        'After the terminal step comes one event `end` with an End as data, and the stream closes. ' +
        'A client that comes back may get a step again, with the same id; it misses none.',
      parameters: [
        checkoutId,
        {
          name: 'Last-Event-ID',
          in: 'header',
          description: 'The id of the last step that the client has; browsers send it by themselves.',
          schema: { type: 'string' },
        },
      ],
      responses: {
        200: {
          description: 'The steps',
          headers: { traceresponse },
          content: { [eventStreamMediaType]: { schema: { type: 'string' } } },
        },
        204: { description: 'Last-Event-ID names the terminal step: nothing comes after it' },
        ...refusals('checkout_not_found', 'too_many_streams', 'store_unavailable', 'overloaded'),
      },
    },
  },
  '/catalogue': {
    get: {
      operationId: 'getCatalogue',
      summary: 'What can be bought, and the payment tokens with what each does',
      responses: { 200: answer('The catalogue', 'Catalogue'), ...refusals() },
    },
  },
  '/problems/{code}': {
    get: {
      operationId: 'describeProblem',
      summary: 'What the `type` of a problem document leads to',
      parameters: [pathParameter('code', 'The last part of the `type`')],
      responses: { 200: answer('The kind of problem', 'ProblemDescription'), ...refusals('not_found') },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'getDescription',
      summary: 'This document',
      responses: {
        200: {
          description: 'OpenAPI 3.1',
          headers: { traceresponse },
          content: { 'application/json': { schema: { type: 'object' } } },
        },
        ...refusals(),
      },
    },
  },
  '/healthz': {
    get: {
      operationId: 'getLiveness',
      summary: 'Whether the process runs',
      responses: { 200: { description: 'It runs', content: json('Liveness') } },
    },
  },
  '/readyz': {
    get: {
      operationId: 'getReadiness',
      summary: 'Whether the gateway can accept checkouts',
      responses: {
        200: { description: 'It can', content: json('Readiness') },
        503: { description: 'It cannot', content: json('Readiness') },
      },
    },
  },
}

const toSchemas = (schemas: Record<string, z.ZodType>, io: 'input' | 'output') =>
  Object.entries(schemas).map(([name, schema]) => {
    const described = z.toJSONSchema(schema, { io })
    delete described.$schema // said once, for the whole document
    return [name, described] as const
  })

export const openApiDocument = {
  openapi: '3.1.1',
  info: {
    title: 'Sagascope gateway',
    version: '1',
    description: 'Checkouts: from registration to order to payment, and back again where a step fails.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
  paths,
  components: {
    schemas: Object.fromEntries([
      ...toSchemas(requestSchemas, 'input'),
      ...toSchemas(responseSchemas, 'output'),
    ]),
  },
}
