import { runBare } from './chain.ts'

await runBare('payments')
