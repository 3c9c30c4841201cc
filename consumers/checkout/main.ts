import { activeTraceHeaders } from '../../shared/kernel/answer.ts'
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
      if (event.type === 'CheckoutRequested') {
        if (state.status !== 'open') return
        await deadlines.set(checkoutId, new Date(event.data.deadline), activeTraceHeaders())
      } else if (event.type !== 'DeadlinePassed') {
        // The end is near. Nobody waits for the clean-up, and a deadline left behind is only asked about once.
        // One that has passed stays until its answer is committed: no message would ask again after a crash.
        void deadlines.clear(checkoutId).catch(() => undefined)
      }
    },
  }
  startExpiring(tools, logic, deadlines)
  return logic
})
