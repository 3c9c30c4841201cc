import { deepEqual, equal, ok } from 'node:assert/strict'
import type { ChildProcessByStdio } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../infra/verify/eventually.ts'

const main = fileURLToPath(new URL('process-for-tests.ts', import.meta.url))

class TestedProcess {
  output = ''
  errors = ''
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #ended: Promise<unknown[]>

  constructor(behaviour: string, environment: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, [main, behaviour], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text))
    this.#ended = once(this.#child, 'close')
  }

  /** What it has noted, without its log. */
  get notes(): string[] {
    return this.output.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
  }

  get logged(): unknown[] {
    return this.output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => (JSON.parse(line) as Record<string, unknown>)['event.name'])
  }

  async until(text: string): Promise<this> {
    await eventually(text, () => Promise.resolve(this.output.includes(text) || undefined), {
      intervalMillis: 5,
      deadlineMillis: 20_000,
    })
    return this
  }

  signal(name: NodeJS.Signals): this {
    this.#child.kill(name)
    return this
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<unknown> {
    const [code, signal] = await this.#ended
    return code ?? signal
  }
}

const drained = ['draining', 'consumer-stopped', 'producer-closed', 'store-closed', 'telemetry-flushed']

describe('a process', function () {
  this.timeout(30_000)

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`drains on ${signal}, what was opened last first, telemetry at the very end, and ends well`, async () => {
      const tested = await new TestedProcess('').until('process.started')
      equal(await tested.signal(signal).ended(), 0)
      deepEqual(tested.notes, drained)
      deepEqual(tested.logged, ['process.started', 'process.stopping', 'process.stopped'])
    })
  }

  it('ends at once on a second signal', async () => {
    const tested = await new TestedProcess('hangs').until('process.started')
    await tested.signal('SIGTERM').until('hanging')
    equal(await tested.signal('SIGINT').ended(), 130)
    deepEqual(tested.notes, ['draining', 'consumer-stopped', 'hanging'])
  })

  it('drains on when one step fails', async () => {
    const tested = await new TestedProcess('throws').until('process.started')
    equal(await tested.signal('SIGTERM').ended(), 0)
    deepEqual(
      tested.notes,
      drained.filter((step) => step !== 'producer-closed'),
    )
    ok(tested.logged.includes('process.stop_step_failed'))
  })

  it('drains on when one step hangs: each has its deadline', async () => {
    const tested = await new TestedProcess('never-ends').until('process.started')
    equal(await tested.signal('SIGTERM').ended(), 0)
    deepEqual(
      tested.notes,
      drained.filter((step) => step !== 'producer-closed'),
    )
    ok(tested.logged.includes('process.stop_step_failed'))
  })

  for (const behaviour of ['fails-at-start', 'fails-later', 'rejects-unseen']) {
    it(`that ${behaviour.replaceAll('-', ' ')} says so, drains and ends with 1`, async () => {
      const tested = new TestedProcess(behaviour)
      equal(await tested.ended(), 1)
      deepEqual(tested.notes, drained)
      equal(tested.logged.filter((name) => name === 'process.failed').length, 1)
    })
  }

  it('does not start on a bad configuration: it ends with 1, the names and no stack', async () => {
    const tested = new TestedProcess('', {
      KAFKA_BROKERS: 'nowhere',
      MONGODB_URL: 'http://saga:hunter2@database',
    })
    equal(await tested.ended(), 1)
    equal(tested.output, '')
    deepEqual(tested.errors.split('\n').filter(Boolean), [
      'tested does not start:',
      'KAFKA_BROKERS: "nowhere" is refused: is a list of host:port',
      'MONGODB_URL: its value is refused: starts with mongodb:// or mongodb+srv://',
    ])
  })
})
