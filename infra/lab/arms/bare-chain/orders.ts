import { runBare } from './chain.ts'

await runBare('orders')
