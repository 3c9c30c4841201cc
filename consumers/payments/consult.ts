/** What payments asks the outside world before it decides: the payment network. */
import type { Input } from '../../shared/contracts/decider.ts'
import type { Consumed } from '../../shared/contracts/flow.ts'
import type { NetworkAnswer, PaymentsState } from './decider.ts'
import type { FakePaymentNetwork } from './fake-payment-network.ts'

export const consultNetwork =
  (network: Pick<FakePaymentNetwork, 'capture' | 'cancel'>) =>
  async (
    { checkoutId, event }: Input<Consumed<'payments'>>,
    state: PaymentsState,
  ): Promise<NetworkAnswer> => {
    switch (event.type) {
      case 'OrderPlaced':
        if (state.status !== 'unknown') return undefined
        return network.capture(checkoutId, event.data.payment.token, event.data.total)
      case 'CheckoutExpired':
        if (state.status === 'declined' || state.status === 'refunded') return undefined
        return network.cancel(checkoutId)
      default:
        return event satisfies never
    }
  }
