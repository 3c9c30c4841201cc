import { deepEqual, equal, match } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pickFreePorts, portNames, portTable } from './ports.ts'

const program = fileURLToPath(new URL('run-services.ts', import.meta.url))

// What it does on the real servers is tried by infra/tutorial.
describe('npm run services, without servers', function () {
  this.timeout(30_000)

  const run = (args: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
    new Promise<{ exitCode: number; stdout: string; stderr: string }>((resolve) => {
      const env = { ...process.env, ...environment }
      execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
        resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr })
      })
    })

  it('says how it is used, and what it did not understand', async () => {
    const [help, misled] = await Promise.all([run(['--help']), run(['--watch'])])
    equal(help.exitCode, 0)
    match(help.stdout, /stops them on Ctrl-C: gateway, users, orders, payments, checkout\./)
    deepEqual([misled.exitCode, misled.stdout], [2, ''])
    match(misled.stderr, /--watch/)
  })

  it('starts nothing, and says which server is missing, where it was looked for, and what starts it', async () => {
    const ports = await pickFreePorts()
    const environment = portNames.map((name) => [portTable[name].variable, String(ports[name])])
    const { exitCode, stdout, stderr } = await run([], Object.fromEntries(environment) as NodeJS.ProcessEnv)
    deepEqual([exitCode, stdout], [1, ''])
    match(
      stderr,
      new RegExp(`^Kafka does not answer at 127\\.0\\.0\\.1:${ports.kafka}; KAFKA_PORT says`, 'm'),
    )
    match(stderr, new RegExp(`^MongoDB protocol does not answer at 127\\.0\\.0\\.1:${ports.mongodb}; `, 'm'))
    match(stderr, /^npm run stack starts the servers\.$/m)
  })
})
