import { rejects } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyChecksums } from './checksums.ts'

describe('a list of checksums', () => {
  let folder: string
  let list: string

  beforeEach(() => {
    const parent = mkdtempSync(join(tmpdir(), 'sagascope-test-'))
    folder = join(parent, 'lib')
    list = join(parent, 'checksums.sha256')
    mkdirSync(folder)
    writeFileSync(join(folder, 'a.jar'), 'a')
    writeFileSync(join(folder, 'b.jar'), 'b')
    writeFileSync(
      list,
      `ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  org/example/a/1/a.jar
3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  org/example/b/1/b.jar
`,
    )
  })
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }))

  it('is met by a folder with exactly its files', () => verifyChecksums(folder, list))

  it('refuses a file with another content, a file too many and a file too few, each by name', async () => {
    writeFileSync(join(folder, 'a.jar'), 'another')
    await rejects(verifyChecksums(folder, list), {
      code: 'checksum_mismatch',
      message: /a\.jar has another checksum$/,
    })
    rmSync(join(folder, 'a.jar'))
    writeFileSync(join(folder, 'c.jar'), 'a')
    await rejects(verifyChecksums(folder, list), { message: /a\.jar is missing, c\.jar is not on the list$/ })
  })
})
