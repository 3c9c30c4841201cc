import { emptyStream } from '../../shared/kernel/react.ts'
import type { Consumed } from '../../shared/saga/flow.ts'
import type { ServiceLogic } from '../runtime/reactor.ts'
import { consultNetwork } from './consult.ts'
import type { NetworkAnswer, PaymentsEvent, PaymentsState } from './decider.ts'
import { payments } from './decider.ts'
import type { FakePaymentNetwork } from './fake-payment-network.ts'

export const paymentsLogic = (
  network: Pick<FakePaymentNetwork, 'capture' | 'cancel'>,
): ServiceLogic<PaymentsState, PaymentsEvent, Consumed<'payments'>, NetworkAnswer> => ({
  decider: payments,
  consult: consultNetwork(network),
  // OrderPlaced normally opens a payments stream, so the first read can be skipped.
  expects: ({ event }) => (event.type === 'OrderPlaced' ? emptyStream(payments.initialState) : undefined),
})
