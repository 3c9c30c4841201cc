import { runService } from '../service.ts'
import { orders } from './decider.ts'

await runService('orders', () => ({ decider: orders, consult: () => Promise.resolve(undefined) }))
