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

/** Of requests, not of checkouts: with hundreds at once the gateway turns some away, and others wait for it until they give up. */
const placedAtOnce = 16

export function startClosedLoop({ client, watch, nextRequest, inFlight }: ClosedLoopOptions): ClosedLoop {
  let ended = 0
  let stopping = false
  const turns: Promise<unknown>[] = []
  /** @returns undefined when it is stopping by then */
  const placeInTurn = (lane: number): Promise<string | undefined> => {
    const place = lane % placedAtOnce
    const placed = Promise.resolve(turns[place]).then(() =>
      stopping ? undefined : placeAccepted(client, nextRequest()),
    )
    turns[place] = placed.catch(() => undefined)
    return placed
  }
  const run = async (lane: number): Promise<void> => {
    for (;;) {
      const checkoutId = await placeInTurn(lane)
      if (checkoutId === undefined) return
      await new Promise<void>((resolve) => watch.watch(checkoutId, () => resolve()))
      ended += 1
    }
  }
  const lanes = Promise.all(Array.from({ length: inFlight }, (_, lane) => run(lane)))
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
