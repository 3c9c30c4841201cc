/** Certificates that a test makes for itself. */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheDirectory } from '../native/cache-directory.ts'
import { install } from '../native/install.ts'
import { certificates } from '../native/recipes.ts'
import type { ServerCertificate } from '../native/servers/server-certificate.ts'

const run = promisify(execFile)

export interface Authority {
  /** PEM. */
  readonly caFile: string
  certificate(name: string): ServerCertificate
}

/** A new authority, in a folder of its own, with a certificate for each name; all valid for 127.0.0.1 and a day. */
export async function createAuthority(folder: string, names: readonly string[] = []): Promise<Authority> {
  const { signal } = new AbortController()
  const installation = await install(certificates, cacheDirectory(process.env), { signal })
  mkdirSync(folder, { recursive: true })
  await run(join(installation, certificates.name), [folder, ...names])
  const caFile = join(folder, 'ca.pem')
  return {
    caFile,
    certificate: (name) => ({
      caFile,
      certificateFile: join(folder, `${name}.pem`),
      keyFile: join(folder, `${name}.key`),
    }),
  }
}
