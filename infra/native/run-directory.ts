import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The folder of one run: a folder for each server's data and configuration, and a log file beside it. */
export interface RunDirectory {
  readonly path: string
  /** A server's own folder, made when first asked for; `owner` is the user id it is handed to. */
  folder(name: string, owner?: number): string
  logFile(name: string): string
  remove(): void
}

/** A fresh folder under the system's temporary one; nobody else's data, no run's leftovers. */
export function createRunDirectory(): RunDirectory {
  const path = mkdtempSync(join(tmpdir(), 'sagascope-run-'))
  // Elasticsearch runs as another user when the runner is root, and must get to its folder inside.
  chmodSync(path, 0o711)
  return {
    path,
    folder(name, owner) {
      const folder = join(path, name)
      mkdirSync(folder, { recursive: true })
      if (owner !== undefined) chownSync(folder, owner, owner)
      return folder
    },
    logFile: (name) => join(path, `${name}.log`),
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  }
}
