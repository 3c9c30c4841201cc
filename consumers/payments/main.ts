import { connectStore } from '../../shared/kernel/mongo.ts'
import { runService } from '../runtime/service.ts'
import { FakePaymentNetwork } from './fake-payment-network.ts'
import { paymentsLogic } from './logic.ts'

await runService('payments', async ({ config, connection, lifecycle }) => {
  const { PAYMENT_NETWORK_URL: mongodbUrl, MONGODB_DATABASE_PREFIX: databasePrefix } = config
  let network = connection
  if (mongodbUrl !== undefined) {
    network = await connectStore({ mongodbUrl, databasePrefix, credentials: config.mongodbCredentials })
    lifecycle.onStop(() => network.close())
  }
  return paymentsLogic(new FakePaymentNetwork(network.databaseOf('payment-network')))
})
