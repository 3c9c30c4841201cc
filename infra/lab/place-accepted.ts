import type { GatewayClient } from '../../producers/load/gateway-client.ts'
import type { CheckoutRequest } from '../verify/checkouts.ts'

/**
 * @returns the checkout's id
 * @throws Error when it is not accepted: what a system refuses to do measures nothing of it
 */
export async function placeAccepted(
  client: Pick<GatewayClient, 'place'>,
  request: CheckoutRequest,
): Promise<string> {
  const answer = await client.place(request)
  if (answer.kind !== 'accepted') throw new Error(`a checkout was ${answer.kind}: ${answer.code}`)
  return answer.checkoutId
}
