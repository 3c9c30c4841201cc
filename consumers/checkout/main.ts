import { activeTraceHeaders } from '../../shared/kernel/answer.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import { runService } from '../service.ts'
import type { CheckoutInput, CheckoutState } from './decider.ts'
import { checkout } from './decider.ts'
import { Deadlines } from './deadlines.ts'
import { startExpiring } from './expire.ts'

await runService('checkout', async (tools) => {
  const deadlines = new Deadlines(tools.connection.databaseOf('checkout'))
  await deadlines.prepare()
  const logic = {
    decider: checkout,
    consult: async ({ checkoutId, event }: CheckoutInput, state: CheckoutState): Promise<undefined> => {
      if (event.type !== 'CheckoutRequested' || state.status !== 'open') return
      await deadlines.set(checkoutId, new Date(event.data.deadline), activeTraceHeaders())
      failpoint('deadline-entered')
    },
  }
  startExpiring(tools, logic, deadlines)
  return logic
})
