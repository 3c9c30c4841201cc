import { Listr, PRESET_TIMER, PRESET_TIMESTAMP } from 'listr2'
import type { Stack } from './open-stack.ts'
import { serverTitles } from './server-names.ts'

/** Something that takes its time, shown while it does. All tasks run at once; each waits for what it needs. */
export interface Task {
  title: string
  /** Resolves when it is done, rejects when it failed. */
  done: Promise<unknown>
  /** What it does or waits for now. Asked again and again. */
  status(): string
}

const pollMillis = 250
// A terminal's line is redrawn; a log gets a line when something changes, and a sign of life now and then.
const heartbeatMillis = { terminal: 1_000, log: 15_000 }

/**
 * Shows tasks until all are done: as a live list on a terminal, else as lines with the time of day.
 * Rejects with the first failure. A task that was aborted stays open in the list, since it neither failed nor
 * was done; then this never resolves.
 */
export async function showTasks(tasks: readonly Task[]): Promise<void> {
  const heartbeat = process.stdout.isTTY ? heartbeatMillis.terminal : heartbeatMillis.log
  const list = new Listr(
    tasks.map((task) => ({
      title: task.title,
      task: async (_, shown) => {
        const startedAt = Date.now()
        let last = { status: '', at: 0 }
        const show = () => {
          const now = task.status()
          if (now === last.status && Date.now() - last.at < heartbeat) return
          last = { status: now, at: Date.now() }
          shown.output = `${process.stdout.isTTY ? '' : `${task.title}: `}${now} (${elapsed(startedAt)})`
        }
        const timer = setInterval(show, pollMillis)
        try {
          await task.done.catch(unlessStopped)
        } finally {
          clearInterval(timer)
        }
      },
    })),
    {
      concurrent: true,
      // Signals are handled once, where the stack is stopped.
      registerSignalListeners: false,
      collectErrors: false,
      rendererOptions: { timer: PRESET_TIMER, collapseErrors: false },
      fallbackRendererOptions: { timer: PRESET_TIMER, timestamp: PRESET_TIMESTAMP },
    },
  )
  await list.run()
}

function unlessStopped(error: unknown): Promise<never> {
  if (error instanceof Error && error.name === 'AbortError') return new Promise(() => undefined)
  throw error
}

/** A task for each server of a stack. */
export function serverTasks(stack: Stack): Task[] {
  return stack.names.map((name) => ({
    title: serverTitles[name],
    done: stack.ready(name),
    status: () => stack.status(name),
  }))
}

function elapsed(since: number): string {
  return `${Math.round((Date.now() - since) / 1_000)} s`
}
