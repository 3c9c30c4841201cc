import { runService } from '../service.ts'
import { consultNetwork } from './consult.ts'
import { payments } from './decider.ts'
import { FakePaymentNetwork } from './fake-payment-network.ts'

await runService('payments', ({ connection }) => ({
  decider: payments,
  consult: consultNetwork(new FakePaymentNetwork(connection.databaseOf('payment-network'))),
}))
