import { runService } from '../runtime/service.ts'
import { ordersLogic } from './logic.ts'

await runService('orders', () => ordersLogic)
