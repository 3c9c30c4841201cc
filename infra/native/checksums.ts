import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A folder does not hold exactly the files of its list. */
export class ChecksumMismatch extends Error {
  readonly code = 'checksum_mismatch'
}

export interface Checksum {
  /** SHA-256, hexadecimal. */
  readonly hash: string
  /** Where the file lies in a Maven repository: `<group>/<artifact>/<version>/<file>`. */
  readonly path: string
}

/** The list of a Maven module. `sha256sum --check` understands it as well, in ~/.m2/repository. */
export async function readChecksums(list: string): Promise<Checksum[]> {
  const lines = (await readFile(list, 'utf8')).trim().split('\n')
  return lines.map((line) => {
    const [hash = '', path = ''] = line.split('  ')
    return { hash, path }
  })
}

/**
 * Holds a folder against a list, by file name. It is the lock file that npm and Go have and Maven lacks: the checksums
 * that Maven looks at come from where the files come from.
 * @throws ChecksumMismatch naming every file that is missing, not on the list, or another
 */
export async function verifyChecksums(folder: string, list: string): Promise<void> {
  const expected = new Map((await readChecksums(list)).map(({ hash, path }) => [basename(path), hash]))
  const present = await readdir(folder)
  const faults = [
    ...[...expected.keys()].filter((name) => !present.includes(name)).map((name) => `${name} is missing`),
    ...(
      await Promise.all(
        present.map(async (name) => {
          const hash = expected.get(name)
          if (hash === undefined) return [`${name} is not on the list`]
          return (await sha256Of(join(folder, name))) === hash ? [] : [`${name} has another checksum`]
        }),
      )
    ).flat(),
  ]
  if (faults.length > 0) throw new ChecksumMismatch(`Against ${basename(list)}: ${faults.join(', ')}`)
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
