/** A gateway that answers as it is told to, and whose checkouts end when they are told to. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { CheckoutRequest } from '../../infra/verify/checkouts.ts'

export interface GatewayBehaviour {
  /** How long the answer to the next checkout is held back, at this time since the gateway's first checkout. */
  readonly holdMillis?: (sinceFirstMillis: number) => number
  /** How long after its request a checkout ends; undefined: never. */
  readonly endsAfterMillis?: number | undefined
  /** Refuses the checkout with this index, or answers nothing. */
  readonly refuse?: (index: number) => { status: number; code: string; policy?: string } | 'hang' | undefined
  readonly readyStatus?: number
}

export interface GatewayForTests {
  readonly url: string
  readonly requests: readonly CheckoutRequest[]
  /** How often checkouts were asked for. */
  readonly reads: () => number
  close(): Promise<void>
}

export async function gatewayForTests(behaviour: GatewayBehaviour = {}): Promise<GatewayForTests> {
  const { holdMillis = () => 0, refuse = () => undefined, readyStatus = 200 } = behaviour
  const endsAfterMillis = 'endsAfterMillis' in behaviour ? behaviour.endsAfterMillis : 5
  const requests: CheckoutRequest[] = []
  const endsAt = new Map<string, number>()
  let firstAt: number | undefined
  let reads = 0

  const post = (index: number, response: ServerResponse) => {
    const refusal = refuse(index)
    if (refusal === 'hang') return
    if (refusal) {
      const { status, code, policy } = refusal
      if (policy !== undefined) response.setHeader('RateLimit-Policy', policy)
      const problem = { type: `/problems/${code}`, detail: `The detail of ${code}.` }
      answer(response, status, problem)
      return
    }
    firstAt ??= performance.now()
    const checkoutId = `c${index}`
    if (endsAfterMillis !== undefined) endsAt.set(checkoutId, Date.now() + endsAfterMillis)
    setTimeout(() => answer(response, 202, { checkoutId }), holdMillis(performance.now() - firstAt))
  }
  const get = (checkoutId: string, response: ServerResponse) => {
    reads += 1
    const endAt = endsAt.get(checkoutId) ?? Infinity
    const time = new Date(Math.min(endAt, Date.now())).toISOString()
    const ended = { type: 'CheckoutCompleted', time }
    answer(response, 200, { steps: endAt <= Date.now() ? [{ type: 'CheckoutRequested', time }, ended] : [] })
  }
  const server = createServer((request, response) => {
    const { url = '', method } = request
    if (url === '/readyz') answer(response, readyStatus, {})
    else if (method === 'GET') get(url.slice('/checkouts/'.length), response)
    else {
      void json(request).then((body) => {
        requests.push(body as CheckoutRequest)
        post(requests.length - 1, response)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    reads: () => reads,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
