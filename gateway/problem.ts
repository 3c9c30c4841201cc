/**
 * Errors as the caller sees them: RFC 9457 problem documents. What is not a `Problem` is our own fault or a
 * server's, and leaves as a 500 or 503 that says nothing of the inside.
 * See https://www.rfc-editor.org/rfc/rfc9457
 */
import { z } from 'zod'

const table = {
  malformed_request: { status: 400, title: 'The request is not HTTP as it has to be' },
  malformed_json: { status: 400, title: 'The body is not JSON in UTF-8' },
  json_too_complex: { status: 400, title: 'The JSON is deeper, or has more values, than the gateway reads' },
  incomplete_body: { status: 400, title: 'The body ended before its declared length' },
  invalid_idempotency_key: {
    status: 400,
    title: 'The Idempotency-Key is not 1 to 255 visible ASCII characters',
  },
  not_found: { status: 404, title: 'There is nothing at this address' },
  checkout_not_found: { status: 404, title: 'There is no checkout with this id' },
  method_not_allowed: { status: 405, title: 'This address does not answer to this method' },
  request_timeout: { status: 408, title: 'The request did not come in time' },
  body_too_large: { status: 413, title: 'The body is larger than the gateway reads' },
  unsupported_media_type: { status: 415, title: 'The body is not sent as plain application/json' },
  validation_failed: { status: 422, title: 'The request has wrong fields' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used before with another body' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The headers are larger, or more, than the gateway reads' },
  internal_error: { status: 500, title: 'The gateway failed' },
  backend_unavailable: {
    status: 502,
    title: 'What the console shows is kept by a server that does not answer',
  },
  store_unavailable: { status: 503, title: 'The store does not answer' },
  outcome_unknown: { status: 503, title: 'It is not known whether the request was accepted' },
  overloaded: { status: 503, title: 'The gateway has as much in hand as it can' },
  backlog_full: { status: 503, title: 'What was accepted before has to be worked off first' },
  too_many_streams: { status: 503, title: 'Too many event streams are open' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>

export type ProblemCode = keyof typeof table
export const problemCodes = Object.keys(table) as ProblemCode[]

export interface FieldError {
  /** RFC 6901 JSON Pointer into the body. */
  readonly pointer: string
  /** What the field should be; never the value that it has. */
  readonly detail: string
}

interface ProblemOptions extends ErrorOptions {
  readonly errors?: readonly FieldError[]
  readonly headers?: Readonly<Record<string, string>>
}

/** An answer that is an error. `detail` is for people, and goes out to the caller. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  /** True: the same request may succeed later. */
  readonly retriable: boolean
  readonly expose = true
  readonly errors: readonly FieldError[] | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ProblemCode, detail: string, { errors, headers = {}, ...options }: ProblemOptions = {}) {
    super(detail, options)
    this.name = 'Problem'
    this.code = code
    this.status = table[code].status
    this.title = table[code].title
    this.retriable = this.status === 503 || this.status === 429 || this.status === 408
    this.errors = errors
    this.headers = headers
  }
}

export const problemMediaType = 'application/problem+json'

export const problemDocument = z.strictObject({
  type: z.string().meta({ description: 'What kind of problem this is: `/problems/<code>`' }),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string(),
  instance: z.string().meta({ description: 'The path that was asked for' }),
  traceId: z.string().nullable().meta({ description: 'The trace of this request, for a report' }),
  errors: z
    .array(z.strictObject({ pointer: z.string(), detail: z.string() }))
    .optional()
    .meta({ description: 'Every wrong field, up to 100, by JSON Pointer (RFC 6901)' }),
})
export type ProblemDocument = z.infer<typeof problemDocument>

export function toDocument(problem: Problem, instance: string, traceId: string | null): ProblemDocument {
  const { code, title, status, message: detail, errors } = problem
  return {
    type: `/problems/${code}`,
    title,
    status,
    detail,
    instance,
    traceId,
    ...(errors && { errors: [...errors] }),
  }
}

/** What `type` of a problem document leads to. */
export const problemDescription = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
})

export function describeProblem(code: string): z.infer<typeof problemDescription> | undefined {
  const known = problemCodes.find((candidate) => candidate === code)
  return known && { type: `/problems/${known}`, ...table[known] }
}
