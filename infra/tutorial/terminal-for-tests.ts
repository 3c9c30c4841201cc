/** A terminal as the reader of a page has it: what is typed goes to one shell, which keeps its variables and functions. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { eventually } from '../verify/eventually.ts'

export interface TerminalOptions {
  readonly directory: string
  readonly environment: NodeJS.ProcessEnv
}

export class Terminal {
  readonly #shell: ChildProcessWithoutNullStreams
  #printed = ''

  constructor({ directory, environment }: TerminalOptions) {
    // A process group of its own, as a terminal gives one: Ctrl-C reaches all that runs in it.
    this.#shell = spawn('bash', [], { cwd: directory, env: environment, detached: true })
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#printed += text
      })
    }
    this.type('exec 2>&1') // through two pipes they would come in any order
  }

  /** Standard output and error, all that was printed so far. */
  get printed(): string {
    return this.#printed
  }

  get isOpen(): boolean {
    return this.#shell.exitCode === null && this.#shell.signalCode === null
  }

  type(commands: string): void {
    this.#shell.stdin.write(`${commands}\n`)
  }

  /** @returns what they print; rejects with NotInTime when they do not come to their end */
  async run(commands: string, deadlineMillis: number): Promise<string> {
    const from = this.#printed.length
    const mark = randomUUID()
    this.type(`${commands}\necho ${mark}`)
    return eventually(
      `the end of:\n${commands}`,
      () => {
        const to = this.#printed.indexOf(mark, from)
        return Promise.resolve(to < 0 ? undefined : this.#printed.slice(from, to))
      },
      { deadlineMillis, intervalMillis: 20 },
    )
  }

  /** Ctrl-C, which ends what runs and, since it reads its commands from no keyboard, the shell as well. */
  async interrupt(): Promise<void> {
    if (!this.isOpen || this.#shell.pid === undefined) return
    const closed = once(this.#shell, 'close')
    process.kill(-this.#shell.pid, 'SIGINT')
    this.#shell.stdin.end()
    await closed
  }
}
