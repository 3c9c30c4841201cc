import { runService } from '../runtime/service.ts'
import { EmailRegister } from './email-register.ts'
import { usersLogic } from './logic.ts'

await runService('users', async ({ connection }) => {
  const register = new EmailRegister(connection.databaseOf('users'))
  await register.prepare()
  return usersLogic(register)
})
