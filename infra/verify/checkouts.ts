/** Placing checkouts at the gateway and following them to their end, as a client would. */
import { z } from 'zod'
import { eventually } from './eventually.ts'
import { readJson } from '../../shared/backends/read-json.ts'

export interface CheckoutRequest {
  readonly user: { readonly email: string; readonly name: string }
  readonly order: { readonly items: readonly { readonly sku: string; readonly quantity: number }[] }
  readonly payment: { readonly token: string }
}

const accepted = z.object({ checkoutId: z.string(), status: z.string(), traceId: z.string() })
export type Accepted = z.infer<typeof accepted>

const view = z.object({
  checkoutId: z.string(),
  status: z.string(),
  traceId: z.string(),
  reason: z.string().optional(),
  steps: z.array(
    z.object({
      id: z.string(),
      type: z.string(),
      service: z.string(),
      time: z.string(),
      sinceRequestMillis: z.number(),
    }),
  ),
})
export type CheckoutView = z.infer<typeof view>

// The trace id is null when the gateway ran without telemetry.
const anyView = view.extend({ traceId: z.string().nullable() })
export type AnyCheckoutView = z.infer<typeof anyView>

/**
 * A checkout as it stands; undefined when the gateway does not know it.
 * @throws BackendUnavailable
 */
export async function fetchCheckout(
  gatewayUrl: string,
  checkoutId: string,
): Promise<AnyCheckoutView | undefined> {
  const body = await readJson('the gateway', new URL(`/checkouts/${checkoutId}`, gatewayUrl))
  return body === undefined ? undefined : anyView.parse(body)
}

export interface GatewayAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** POSTs to the gateway, whatever the body is. */
export async function postCheckout(
  gatewayUrl: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  path = '/checkouts',
): Promise<GatewayAnswer> {
  const response = await fetch(new URL(path, gatewayUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

/**
 * Places a checkout.
 * @throws Error with the gateway's answer when it is not accepted
 */
export async function placeCheckout(
  gatewayUrl: string,
  request: CheckoutRequest,
  headers?: Readonly<Record<string, string>>,
): Promise<Accepted> {
  const answer = await postCheckout(gatewayUrl, request, headers)
  if (answer.status !== 202) {
    throw new Error(`the gateway answered ${answer.status}: ${JSON.stringify(answer.body)}`)
  }
  return accepted.parse(answer.body)
}

const terminal = new Set(['completed', 'compensated', 'rejected'])

/** Waits for a checkout's terminal state. */
export function untilEnded(
  gatewayUrl: string,
  checkoutId: string,
  deadlineMillis = 30_000,
): Promise<CheckoutView> {
  return eventually(
    `the end of checkout ${checkoutId}`,
    async () => {
      const seen = view.parse(await readJson('the gateway', new URL(`/checkouts/${checkoutId}`, gatewayUrl)))
      return terminal.has(seen.status) ? seen : undefined
    },
    { deadlineMillis, intervalMillis: 200 },
  )
}

/** A checkout that completes; the parts are there to be replaced. */
export const sampleCheckout = (changes: {
  readonly email: string
  readonly token?: string
  readonly sku?: string
  readonly quantity?: number
}): CheckoutRequest => ({
  user: { email: changes.email, name: 'Ada Example' },
  order: { items: [{ sku: changes.sku ?? 'SAGA-MUG', quantity: changes.quantity ?? 2 }] },
  payment: { token: changes.token ?? 'tok_visa' },
})
