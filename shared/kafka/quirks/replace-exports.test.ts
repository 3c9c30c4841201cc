import { rejects } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = (code: string, ...options: string[]) =>
  promisify(execFile)(process.execPath, [...options, '--input-type=module', '-e', code], {
    env: {
      ...process.env,
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    },
  })
const url = (path: string) => new URL(path, import.meta.url).href

const replaced = {
  'kafkajs/src/producer/sendMessages': 'createMerging',
  'kafkajs/src/protocol/recordBatch/v0/decoder': 'decodeOrReplace',
}

const showReplaced = `
  import { equal } from 'node:assert/strict'
  import { createRequire } from 'node:module'
  await import(${JSON.stringify(url('before-kafkajs.ts'))})
  await import('kafkajs')
  const require = createRequire(${JSON.stringify(import.meta.url)})
  for (const [id, name] of ${JSON.stringify(Object.entries(replaced))}) equal(require(id).name, name)
`

describe('what kafkajs’s private modules export', () => {
  it('is replaced', async () => {
    await run(showReplaced)
  })

  it('is replaced as well in a process whose telemetry has hooked `require`', async function () {
    this.timeout(30_000)
    await run(showReplaced, '--import', url('../../telemetry/register.ts'))
  })

  it('cannot be once kafkajs is loaded, so that is said at once', async () => {
    const code = `import 'kafkajs'; await import(${JSON.stringify(url('before-kafkajs.ts'))})`
    await rejects(run(code), /was loaded before it could be replaced; import before-kafkajs\.ts first/)
  })
})
