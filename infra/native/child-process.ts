import { spawn, spawnSync } from 'node:child_process'
import { accessSync, closeSync, constants, openSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface Command {
  command: string
  args: readonly string[]
  directory: string
  environment?: NodeJS.ProcessEnv
  /** Standard output and error are appended to this file. */
  logFile: string
  /** Run as this numeric user and group; only root may ask for it, and only where `setpriv` is. */
  userId?: number
  /** As for nice(1): 10 leaves the processor to whatever else wants it. */
  niceness?: number
}

export interface ChildProcess {
  readonly pid: number
  /** Resolves, never rejects, with what ended it: `exit code 1`, `signal SIGKILL`, or a spawn error. */
  readonly ended: Promise<string>
  readonly running: boolean
  /** Asks the whole process group to end, and ends it by force when the deadline passes. */
  stop(deadlineMillis: number): Promise<void>
  /** Ends the whole process group at once, as a crash would. */
  kill(): Promise<void>
  /** Stops the whole process group where it is, by SIGSTOP: it keeps its ports and connections and answers nothing. */
  freeze(): void
  /** Lets what is frozen go on. */
  thaw(): void
}

// Every group that may still have a member. On exit, however it comes about, they are killed: no server
// may outlive its runner and hold its port against the next run.
const livingGroups = new Set<number>()
process.on('exit', killAllChildren)

/** Kills every process group that was started here, without waiting. */
export function killAllChildren(): void {
  for (const group of livingGroups) signalGroup(group, 'SIGKILL')
}

/**
 * Starts a program in a process group of its own, so that Ctrl-C in the terminal reaches only the runner,
 * which then stops its children in order.
 */
export function startProcess(options: Command): ChildProcess {
  const [command, args] = wrapped(options)
  const log = openSync(options.logFile, 'a')
  const child = spawn(command, args, {
    cwd: options.directory,
    env: options.environment ?? process.env,
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)

  let running = true
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code ?? '?'}`))
  }).finally(() => {
    running = false
  })
  const group = child.pid
  if (group === undefined) {
    const nothing = async () => {}
    return { pid: -1, ended, running: false, stop: nothing, kill: nothing, freeze() {}, thaw() {} }
  }

  livingGroups.add(group)
  const stop = async (signal: NodeJS.Signals, deadlineMillis: number) => {
    // Once the group was seen to be gone its number may belong to somebody else.
    if (!livingGroups.has(group)) return
    signalGroup(group, signal)
    signalGroup(group, 'SIGCONT') // what is frozen takes no other signal than SIGKILL
    await groupEnds(group, deadlineMillis)
    signalGroup(group, 'SIGKILL')
    await groupEnds(group, buryMillis)
    await ended
    livingGroups.delete(group)
  }
  const signalLiving = (signal: NodeJS.Signals) => {
    if (livingGroups.has(group)) signalGroup(group, signal)
  }
  return {
    pid: group,
    ended,
    get running() {
      return running
    },
    stop: (deadlineMillis) => stop('SIGTERM', deadlineMillis),
    kill: () => stop('SIGKILL', 0),
    freeze: () => signalLiving('SIGSTOP'),
    thaw: () => signalLiving('SIGCONT'),
  }
}

/**
 * On Linux, `setpriv --pdeathsig` has the kernel end the child when the runner dies, even by SIGKILL when
 * no handler of ours can run.
 */
function wrapped({
  command,
  args,
  userId,
  niceness,
}: Pick<Command, 'command' | 'args' | 'userId' | 'niceness'>): [string, string[]] {
  if (niceness !== undefined) {
    return wrapped({ command: 'nice', args: ['-n', String(niceness), command, ...args] })
  }
  const setpriv = usableSetpriv()
  if (setpriv === undefined) {
    if (userId !== undefined) throw new Error(`${command} must not run as root, and there is no setpriv here`)
    return [command, [...args]]
  }
  const user =
    userId === undefined ? [] : [`--reuid=${String(userId)}`, `--regid=${String(userId)}`, '--clear-groups']
  return [setpriv, [...user, '--pdeathsig', 'KILL', '--', command, ...args]]
}

let setprivFound: { path: string | undefined } | undefined

// BusyBox has a setpriv of its own that knows none of these options, hence the trial.
function usableSetpriv(): string | undefined {
  if (setprivFound === undefined) {
    const path = process.platform === 'linux' ? findOnPath('setpriv') : undefined
    const works = path !== undefined && spawnSync(path, ['--pdeathsig', 'KILL', '--', 'true']).status === 0
    setprivFound = { path: works ? path : undefined }
  }
  return setprivFound.path
}

/** The absolute path of a program on the PATH, or undefined. */
export function findOnPath(program: string, path: string = process.env.PATH ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // Already gone.
  }
}

// A killed process that cannot be waited for, in uninterruptible sleep, must not hold up the stop for ever.
const buryMillis = 2_000

async function groupEnds(group: number, deadlineMillis: number): Promise<void> {
  const deadline = Date.now() + deadlineMillis
  while (groupLives(group) && Date.now() < deadline) await delay(20)
}

function groupLives(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch {
    return false
  }
  return process.platform !== 'linux' || hasLivingMember(group)
}

/**
 * Whether a group has more than zombies: orphans stay listed for as long as process 1 does not ask for
 * their exit code, and in a container it may never do so. A zombie holds no port and no file.
 */
function hasLivingMember(group: number): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false
    const [state, , memberOf] = statFields(pid)
    return Number(memberOf) === group && state !== 'Z'
  })
}

/** The fields of /proc/<pid>/stat after the command: state, parent, process group (proc(5)). */
function statFields(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return [] // it has ended since it was listed
  }
}

/** Whether there is such a process, whoever it belongs to. */
export function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
