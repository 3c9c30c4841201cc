// `npm run services`: the services alone, for servers that run already; Ctrl-C and again is how a change is tried.
import { parseOptions, runCommand } from '../../shared/process/command-line.ts'
import { urlsOf } from './open-stack.ts'
import type { Ports } from './ports.ts'
import { answers, portTable, readPorts, requireFreePorts } from './ports.ts'
import { createRunDirectory } from './run-directory.ts'
import { runUntilStopped } from './run-until-stopped.ts'
import { essentials, serviceTasks } from './sagascope.ts'
import { prepareServices, serviceNames } from './services.ts'
import { showTasks } from './task-list.ts'

const help = `Starts the services from the files as they are now, and stops them on Ctrl-C: ${serviceNames.join(', ')}.

  npm run services

The servers are those of npm run stack, and stay: what was accepted before a restart is there after it. The variables that
move their ports are the same, npm run stack -- --help names them.

Exit codes: 1 something has failed, or a server does not answer, 2 not understood, 130 interrupted.`

function parse(): 'help' | object {
  const { values } = parseOptions({ options: { help: { type: 'boolean', short: 'h' } } })
  return values.help === true ? 'help' : {}
}

const runServices = (): Promise<void> =>
  runUntilStopped(async (onStop) => {
    const ports = readPorts(process.env)
    await requireServers(ports)
    await requireFreePorts(ports, ['gateway'])
    const run = createRunDirectory()
    let hasFailed = false
    onStop(() => {
      if (!hasFailed) run.remove()
      return Promise.resolve()
    })
    const services = await prepareServices({ ports, urls: urlsOf(ports), runDirectory: run.path })
    onStop(() => services.down())
    const failure = services.failed.then((error) => {
      hasFailed = true
      throw error
    })
    failure.catch(() => undefined)
    await Promise.race([showTasks(serviceTasks({ ready: () => Promise.resolve() }, services)), failure])
    console.log(`
All services are ready. The gateway: ${services.gatewayUrl}, the console: ${services.gatewayUrl}/console
Logs: ${run.path}
Ctrl-C stops them, and nothing else.`)
    await failure
  })

/** @throws Error naming those that no checkout can do without and that do not answer */
async function requireServers(ports: Ports): Promise<void> {
  const missing = await Promise.all(
    essentials.map(async (name) => ((await answers(ports[name])) ? [] : [name])),
  )
  const complaints = missing.flat().map((name) => {
    const { what, variable } = portTable[name]
    return `${what} does not answer at 127.0.0.1:${ports[name]}; ${variable} says where it is`
  })
  if (complaints.length > 0) throw new Error([...complaints, 'npm run stack starts the servers.'].join('\n'))
}

await runCommand({ name: 'npm run services', help, parse, run: runServices })
