import { runService } from '../service.ts'
import { opensOrders, orders } from './decider.ts'

await runService('orders', () => ({
  decider: orders,
  consult: () => Promise.resolve(undefined),
  opensStream: opensOrders,
}))
