/**
 * The gateway as a load asks it: connections are kept and never waited for, and no answer takes longer than it may.
 * node:http and not fetch, which was seen to take twice the processor time (0.4 ms a request, not 0.2), on a machine that
 * the system may share.
 */
import http from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import type { CheckoutRequest } from '../../infra/verify/checkouts.ts'
import { isTerminal } from '../../shared/saga/flow.ts'
import { isEventType } from '../../shared/saga/events.ts'
import type { End } from './mix.ts'

export type Answer =
  | { readonly kind: 'accepted'; readonly checkoutId: string }
  /** `code` is the problem's, and its `detail` the gateway's own words. */
  | { readonly kind: 'refused'; readonly code: string; readonly detail: string }
  /** There was no answer: by the error's code, or `timeout`. */
  | { readonly kind: 'failed'; readonly code: string }

export interface EndSeen {
  readonly end: End
  /** The terminal event's own time, milliseconds since the epoch. */
  readonly atMillis: number
}

interface Response {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

const accepted = z.object({ checkoutId: z.string() })
const problem = z.object({ type: z.string(), detail: z.string() })
const view = z.object({ steps: z.array(z.object({ type: z.string(), time: z.string() })) })

export const endOf: Readonly<Record<string, End>> = {
  CheckoutCompleted: 'completed',
  CheckoutCompensated: 'compensated',
  CheckoutRejected: 'rejected',
}

/** The gateway cannot take checkouts now, or is not there; the message says where it was looked for. */
export class GatewayAway extends Error {
  readonly code = 'gateway_away'
  readonly retriable = true
}

export class GatewayClient {
  readonly #url: string
  readonly #timeoutMillis: number
  readonly #agent: http.Agent
  readonly #request: typeof http.request

  constructor(url: string, timeoutMillis: number) {
    const { Agent, request } = url.startsWith('https:') ? https : http
    this.#url = url
    this.#timeoutMillis = timeoutMillis
    this.#agent = new Agent({ keepAlive: true })
    this.#request = request
  }

  /** @throws GatewayAway */
  async requireReady(): Promise<void> {
    const { status } = await this.#ask('GET', '/readyz').catch((cause: unknown) => {
      throw new GatewayAway(`The gateway does not answer at ${this.#url}: ${codeOf(cause)}.`, { cause })
    })
    if (status === 200) return
    const why =
      status === 503 ? 'is not ready' : `answered /readyz with ${status}, so it may be something else`
    throw new GatewayAway(`The gateway at ${this.#url} ${why}.`)
  }

  /** Never rejects. */
  async place(request: CheckoutRequest): Promise<Answer> {
    try {
      return answerOf(await this.#ask('POST', '/checkouts', JSON.stringify(request)))
    } catch (error) {
      return { kind: 'failed', code: codeOf(error) }
    }
  }

  /**
   * @returns undefined for a checkout that has not ended
   * @throws Error when the gateway does not say
   */
  async readEnd(checkoutId: string): Promise<EndSeen | undefined> {
    const { status, body } = await this.#ask('GET', `/checkouts/${checkoutId}`)
    if (status !== 200) throw new Error(`the gateway answered ${status}`)
    const last = view.parse(JSON.parse(body)).steps.find(({ type }) => isEventType(type) && isTerminal(type))
    const end = last && endOf[last.type]
    return end && { end, atMillis: Date.parse(last.time) }
  }

  /** Lets all connections go; whoever asks again makes new ones. */
  close(): void {
    this.#agent.destroy()
  }

  #ask(method: string, path: string, body?: string): Promise<Response> {
    return new Promise((resolve, reject) => {
      const request = this.#request(new URL(path, this.#url), {
        method,
        agent: this.#agent,
        signal: AbortSignal.timeout(this.#timeoutMillis),
        headers: {
          accept: 'application/json, application/problem+json',
          ...(body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
      })
      request.once('error', reject)
      request.once('response', (response) => {
        text(response).then(
          (content) =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: content }),
          reject,
        )
      })
      request.end(body)
    })
  }
}

function answerOf({ status, headers, body }: Response): Answer {
  const content = parsed(body)
  if (status === 202 || status === 200) {
    const { success, data } = accepted.safeParse(content)
    if (success) return { kind: 'accepted', checkoutId: data.checkoutId }
  }
  const { data } = problem.safeParse(content)
  if (!data) return { kind: 'refused', code: `http_${status}`, detail: '' }
  const code = data.type.slice(data.type.lastIndexOf('/') + 1)
  // Two limits give one problem; RateLimit-Policy names the limit first: `"caller";q=20000;w=10`.
  const [, limit] = /^"(\w+)"/.exec(String(headers['ratelimit-policy'] ?? '')) ?? []
  const isLimited = code === 'rate_limited' && limit !== undefined
  return { kind: 'refused', code: isLimited ? `${code}/${limit}` : code, detail: data.detail }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string {
  const { name, code, cause } = error as { name?: string; code?: unknown; cause?: unknown }
  if (name === 'AbortError' || name === 'TimeoutError') return 'timeout'
  if (typeof code === 'string') return code
  return cause instanceof Error ? codeOf(cause) : 'unreadable'
}
