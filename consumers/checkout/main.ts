import { runService } from '../runtime/service.ts'
import { Deadlines } from './deadlines.ts'
import { startExpiring } from './expire.ts'
import { checkoutLogic } from './logic.ts'

await runService('checkout', (tools) => {
  const { connection, store, log } = tools
  const deadlines = new Deadlines(connection.databaseOf('checkout'), store.writer.id, {
    onFailure: (error) =>
      log.warn({ 'event.name': 'checkout.deadlines_not_entered', err: error }, 'trying again'),
  })
  const logic = checkoutLogic(deadlines)
  startExpiring(tools, logic, deadlines)
  return logic
})
