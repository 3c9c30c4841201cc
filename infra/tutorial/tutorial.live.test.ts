import { equal, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts, portNames, portTable } from '../native/ports.ts'
import type { Ports } from '../native/ports.ts'
import { serviceEnvironment } from '../native/service-environment.ts'
import { eventually } from '../verify/eventually.ts'
import { stackForTests } from '../verify/stack-for-tests.ts'
import type { Block } from './page.ts'
import { missingLine, onlyAsks, sectionsOf } from './page.ts'
import { Terminal } from './terminal-for-tests.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(new URL('README.md', import.meta.url), 'utf8')

/** A busy machine takes its time; a person would wait as well. */
const patienceMillis = 90_000

type Commands = Extract<Block, { kind: 'commands' }>

describe('the tutorial', function () {
  this.timeout(20 * 60_000) // where nothing is cached yet, the servers are compiled first

  let directory: string
  let own: Stack
  let ports: Ports
  let environment: NodeJS.ProcessEnv
  let reader: Terminal
  let services: Terminal | undefined

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tutorial-'))
    const isCopied = (path: string) => !['.git', 'node_modules'].includes(basename(path))
    await cp(repository, directory, { recursive: true, filter: isCopied })
    await symlink(join(repository, 'node_modules'), join(directory, 'node_modules'))
    const shared = await stackForTests()
    // Topics and a store of its own: a service that is added reads all that lies on its topics.
    own = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb'] })
    await Promise.all([shared.allReady, own.allReady])
    const { kafka, mongodb, gateway } = own.ports
    ports = { ...shared.ports, kafka, mongodb, gateway }
    const { kafkaBrokers, mongodbUrl } = own.urls
    environment = {
      ...process.env,
      ...serviceEnvironment({ urls: { ...shared.urls, kafkaBrokers, mongodbUrl } }),
      ...Object.fromEntries(portNames.map((name) => [portTable[name].variable, String(ports[name])])),
      NO_COLOR: '1',
    }
    reader = new Terminal({ directory, environment })
  })
  after(async () => {
    await Promise.all([services?.interrupt(), reader.interrupt()])
    await own.down()
    await rm(directory, { recursive: true })
  })

  /** As the page has it, but for the ports: these servers are not at the usual ones. */
  const here = (commands: string): string =>
    portNames.reduce(
      (text, name) => text.replaceAll(`localhost:${portTable[name].defaultPort}`, `localhost:${ports[name]}`),
      commands,
    )

  for (const { heading, blocks } of sectionsOf(page)) {
    it(`does and prints what it says: ${heading}`, async () => {
      for (const [at, block] of blocks.entries()) {
        const next = blocks[at + 1]
        const promised = next?.kind === 'output' ? next.lines : []
        if (block.kind === 'change') await apply(block.diff)
        else if (block.kind === 'commands') await type(block, promised)
      }
    })
  }

  async function type({ terminal, text }: Commands, promised: readonly string[]): Promise<void> {
    // The servers run already; that they come up by this command, every other live test shows.
    if (terminal === 'servers') return
    if (terminal === 'services') {
      await services?.interrupt()
      const started = new Terminal({ directory, environment })
      services = started
      started.type(here(text))
      await prints(promised, () => {
        ok(started.isOpen, started.printed)
        return Promise.resolve(started.printed)
      })
      return
    }
    const commands = here(text)
    const printed = await reader.run(commands, patienceMillis)
    // Telemetry may take a moment, and is asked again; what has changed something is not done twice.
    if (onlyAsks(text) && missingLine(promised, printed) !== undefined) {
      await prints(promised, () => reader.run(commands, patienceMillis))
    } else equal(missingLine(promised, printed), undefined, printed)
  }

  async function prints(promised: readonly string[], ask: () => Promise<string>): Promise<void> {
    let missing: string | undefined
    let printed = ''
    await eventually(
      'what the page promises',
      async () => {
        printed = await ask()
        missing = missingLine(promised, printed)
        return missing === undefined ? true : undefined
      },
      { deadlineMillis: patienceMillis, intervalMillis: 500 },
    ).catch((error: unknown) => {
      equal(missing, undefined, `not printed: ${missing ?? ''}\n\nprinted was:\n${printed}`)
      throw error
    })
  }

  async function apply(diff: string): Promise<void> {
    const applying = promisify(execFile)('git', ['apply'], { cwd: directory })
    applying.child.stdin?.end(diff)
    await applying
  }
})
