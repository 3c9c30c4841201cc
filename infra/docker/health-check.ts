/** The health checks of docker-compose.yaml, run on this machine instead of in their containers. */
import { ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import type { ComposeFile } from './compose-file.ts'
import { serviceOf } from './compose-file.ts'

const deadlineMillis = 5_000

/**
 * @param elsewhere what has another place here than in the container: its port, its files. Each has to be in the check.
 * @returns whether the check passes
 */
export function passesHealthCheck(
  file: ComposeFile,
  name: string,
  elsewhere: Readonly<Record<string, string>>,
): Promise<boolean> {
  const [kind, ...words] = serviceOf(file, name).healthcheck?.test ?? []
  ok(kind === 'CMD' || kind === 'CMD-SHELL', `${name} has no health check`)
  const here = words.map((word) =>
    Object.entries(elsewhere).reduce(
      (text, [there, place]) => {
        ok(words.join('\n').includes(there), `${name}'s check knows nothing of ${there}`)
        return text.replaceAll(there, place)
        // Compose takes one dollar for the start of a variable of its own.
      },
      word.replaceAll('$$', '$'),
    ),
  )
  // As the engine does: a single text goes to a shell.
  const [command = '', ...args] = kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...here] : here
  return new Promise((resolve) => {
    execFile(command, args, { timeout: deadlineMillis }, (error) => resolve(error === null))
  })
}
