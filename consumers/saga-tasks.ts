/**
 * For the model of the saga: real asynchronous code that is stopped and let go on by hand.
 *
 * All that a process does to the world outside of it goes through `touch`, and a task can be made to wait right
 * before or right after: for as long as others need to be faster, until its connection fails, or for ever, as a
 * process does that has crashed. Nothing here has a clock or chance of its own.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

type Operation =
  | 'read'
  | 'consult'
  | 'insert'
  /** An insert whose outcome is unknown is tried again. */
  | 'settle'
  | 'send'
  /** A writer shows life. */
  | 'renew'
  /** The writers are looked at. */
  | 'look'
  /** What a dead writer has left is read. */
  | 'recover'
  /** A dead writer is marked as recovered. */
  | 'mark'
  | 'offset commit'

export type Point = `${'before' | 'after'} ${Operation}`

export class ConnectionLost extends Error {
  readonly code = 'connection_lost'
  readonly retriable = true
}

interface Waiting {
  readonly at: Point
  readonly goOn: () => void
  readonly fail: (error: Error) => void
}

export class Task<Process = unknown> {
  readonly process: Process
  /** What it does, for the reader of a counterexample. */
  readonly what: string
  stopAt: Point | undefined
  waiting: Waiting | undefined
  hasEnded = false
  fault: unknown

  constructor(process: Process, what: string, stopAt: Point | undefined) {
    this.process = process
    this.what = what
    this.stopAt = stopAt
  }

  /** Stops once, also where several things go on side by side in the task. */
  pass(point: Point): Promise<void> | undefined {
    if (this.stopAt !== point || this.waiting) return undefined
    this.stopAt = undefined
    return new Promise((goOn, fail) => {
      this.waiting = { at: point, goOn, fail }
    })
  }
}

const current = new AsyncLocalStorage<Task>()

export function currentTask(): Task {
  const task = current.getStore()
  if (!task) throw new Error('only a task touches the outside')
  return task
}

export async function touch<T>(operation: Operation, effect: () => T | Promise<T>): Promise<T> {
  const task = currentTask()
  await task.pass(`before ${operation}`)
  const result = await effect()
  await task.pass(`after ${operation}`)
  return result
}

/** Starts a task and lets it run until it waits or ends. */
export async function start(task: Task, work: () => Promise<void>): Promise<void> {
  void current.run(task, work).then(
    () => (task.hasEnded = true),
    (fault: unknown) => {
      task.hasEnded = true
      task.fault = fault
    },
  )
  await settled()
}

/** Lets a waiting task go on, to its end or to the next point given. */
export async function goOn(task: Task, stopAt?: Point): Promise<void> {
  const { waiting } = task
  task.waiting = undefined
  task.stopAt = stopAt
  waiting?.goOn()
  await settled()
}

/** Fails what a waiting task was about to do, or the answer to what it has done; then it may stop once more. */
export async function loseConnection(task: Task, stopAt?: Point): Promise<void> {
  const { waiting } = task
  task.waiting = undefined
  task.stopAt = stopAt
  waiting?.fail(new ConnectionLost(`connection lost ${waiting.at}`))
  await settled()
}

/** When nobody can go on by himself: there is no I/O in here, so all that can run has run by then. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
