import { equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { cacheDirectory } from '../native/cache-directory.ts'
import { install } from '../native/install.ts'
import { recipes } from '../native/recipes.ts'

const run = promisify(execFile)

interface Pipeline {
  readonly receivers: readonly string[]
  readonly processors: readonly string[]
}

interface Configuration {
  readonly service: { readonly pipelines: Readonly<Record<string, Pipeline>> }
}

const base = join(import.meta.dirname, 'collector.yaml')
const folder = join(import.meta.dirname, 'overlays')
const overlays = readdirSync(folder).map((name) => join(folder, name))

/** Every choice of overlays, none and all included. */
const combinations = overlays.reduce<string[][]>(
  (chosen, overlay) => [...chosen, ...chosen.map((others) => [...others, overlay])],
  [[]],
)

const nameOf = (file: string): string => basename(file, '.yaml')

describe("the Collector's configuration", function () {
  this.timeout(15 * 60_000) // the first time, the Collector is compiled

  let collector: string

  before(async () => {
    const signal = AbortSignal.timeout(15 * 60_000)
    collector = join(await install(recipes.collector, cacheDirectory(process.env), { signal }), 'collector')
  })

  const validate = (files: readonly string[]) =>
    run(collector, ['validate', ...files.map((file) => `--config=file:${file}`)])

  for (const chosen of combinations) {
    const title = chosen.length === 0 ? 'by itself' : `with ${chosen.map(nameOf).join(' and ')}`
    it(`is accepted by the Collector ${title}, in any order`, async () => {
      await validate([base, ...chosen])
      if (chosen.length > 1) await validate([base, ...chosen.toReversed()])
    })
  }

  it('would not be accepted with a fault', async () => {
    const fault = 'yaml:service::pipelines::traces::processors: [nobody]'
    const refused = await run(collector, ['validate', `--config=file:${base}`, `--config=${fault}`]).then(
      () => undefined,
      (error: unknown) => error as { code: number; stderr: string },
    )
    equal(refused?.code, 1)
    match(refused.stderr, /nobody/)
  })

  for (const file of [base, ...overlays]) {
    it(`limits memory first and redacts what comes from services, in ${nameOf(file)}`, () => {
      const { service } = parse(readFileSync(file, 'utf8')) as Configuration
      for (const [name, { receivers, processors }] of Object.entries(service.pipelines)) {
        equal(processors[0], 'memory_limiter', name)
        if (receivers.includes('otlp')) equal(processors[1], 'redaction', name)
      }
    })
  }

  it('has no two overlays that change the same pipeline', () => {
    const changed = overlays.flatMap((file) => {
      const { service } = parse(readFileSync(file, 'utf8')) as Configuration
      return Object.keys(service.pipelines)
    })
    equal(
      new Set(changed).size,
      changed.length,
      'the Collector replaces lists, so the last overlay would win',
    )
    ok(changed.length > 0)
  })
})
