/** A release of payments with a defect: it fails on every order that it should capture, and on nothing else. */
import { payments } from '../../consumers/payments/decider.ts'
import { consultNetwork } from '../../consumers/payments/consult.ts'
import { FakePaymentNetwork } from '../../consumers/payments/fake-payment-network.ts'
import { runService } from '../../consumers/runtime/service.ts'

await runService('payments', ({ connection }) => {
  const network = new FakePaymentNetwork(connection.databaseOf('payment-network'))
  return {
    decider: payments,
    consult: consultNetwork({
      capture: () => Promise.reject(new TypeError("Cannot read properties of undefined (reading 'amount')")),
      cancel: (checkoutId) => network.cancel(checkoutId),
    }),
  }
})
