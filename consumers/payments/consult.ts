/** What payments asks the outside world before it decides: the payment network. */
import type { Input } from '../../shared/saga/decider.ts'
import type { Consumed } from '../../shared/saga/flow.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import type { NetworkAnswer, PaymentsState } from './decider.ts'
import type { FakePaymentNetwork } from './fake-payment-network.ts'

export const consultNetwork =
  (network: Pick<FakePaymentNetwork, 'capture' | 'cancel'>) =>
  async (
    { checkoutId, event }: Input<Consumed<'payments'>>,
    state: PaymentsState,
  ): Promise<NetworkAnswer> => {
    switch (event.type) {
      case 'OrderPlaced': {
        if (state.status !== 'unknown') return undefined
        failpoint('capture-asked')
        const answer = await network.capture(checkoutId, event.data.payment.token, event.data.total)
        failpoint('capture-answered')
        return answer
      }
      case 'CheckoutExpired': {
        if (state.status === 'declined' || state.status === 'refunded') return undefined
        failpoint('cancel-asked')
        const answer = await network.cancel(checkoutId)
        failpoint('cancel-answered')
        return answer
      }
      default:
        return event satisfies never
    }
  }
