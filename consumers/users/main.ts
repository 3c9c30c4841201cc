import { runService } from '../service.ts'
import { consultRegister } from './consult.ts'
import { users } from './decider.ts'
import { EmailRegister } from './email-register.ts'

await runService('users', async ({ connection }) => {
  const register = new EmailRegister(connection.databaseOf('users'))
  await register.prepare()
  return { decider: users, consult: consultRegister(register) }
})
