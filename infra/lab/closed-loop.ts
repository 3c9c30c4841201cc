/** So many checkouts in flight, the next one as soon as one is at its end: what a system can do, and nothing of how long. */
import type { EndWatch } from '../../producers/load/watch-ends.ts'
import type { GatewayClient } from '../../producers/load/gateway-client.ts'
import type { CheckoutRequest } from '../verify/checkouts.ts'
import { placeAccepted } from './place-accepted.ts'

export interface ClosedLoopOptions {
  readonly client: Pick<GatewayClient, 'place'>
  readonly watch: Pick<EndWatch, 'watch'>
  readonly nextRequest: () => CheckoutRequest
  readonly inFlight: number
}

export interface ClosedLoop {
  /** Checkouts that have come to their end since it began. */
  readonly ended: number
  /** Places no more, and waits for those in flight. @throws what the first refused checkout was answered with */
  stop(): Promise<void>
}

export function startClosedLoop({ client, watch, nextRequest, inFlight }: ClosedLoopOptions): ClosedLoop {
  let ended = 0
  let stopping = false
  const isStopping = () => stopping
  const lane = async (): Promise<void> => {
    while (!isStopping()) {
      const checkoutId = await placeAccepted(client, nextRequest())
      await new Promise<void>((resolve) => watch.watch(checkoutId, () => resolve()))
      ended += 1
    }
  }
  const lanes = Promise.all(Array.from({ length: inFlight }, lane))
  lanes.catch(() => undefined) // thrown by stop
  return {
    get ended() {
      return ended
    },
    async stop() {
      stopping = true
      await lanes
    },
  }
}
