/** Helm, as the tests run it: built like the servers, when it is first asked for. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { cacheDirectory } from '../native/cache-directory.ts'
import { install } from '../native/install.ts'
import { helm } from '../native/recipes.ts'
import { parseManifests, type Manifest } from './manifest.ts'

export const chartFolder = (name: 'sagascope' | 'platform'): string =>
  join(import.meta.dirname, '..', '..', 'helm', name)

/** Helm refused; the message is what it printed. */
export class HelmRefused extends Error {
  readonly code = 'helm_refused'
}

/** @throws HelmRefused */
export async function runHelm(args: readonly string[]): Promise<string> {
  const { signal } = new AbortController()
  const folder = await install(helm, cacheDirectory(process.env), { signal })
  return new Promise((resolve, reject) => {
    execFile(join(folder, helm.name), args, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error) reject(new HelmRefused(`${stderr}${stdout}`.trim()))
      else resolve(stdout)
    })
  })
}

export interface Rendering {
  readonly valuesFiles?: readonly string[]
  /** As `--set-json` takes them: `services.users.replicas=2` */
  readonly set?: readonly string[]
}

/**
 * The manifests of a chart, as they would be installed under the chart's name.
 * @throws HelmRefused for values that the chart refuses
 */
export async function render(
  chart: 'sagascope' | 'platform',
  { valuesFiles = [], set = [] }: Rendering = {},
): Promise<Manifest[]> {
  const rendered = await runHelm([
    ...['template', chart, chartFolder(chart), '--namespace', 'sagascope'],
    ...valuesFiles.flatMap((file) => ['--values', file]),
    ...set.flatMap((value) => ['--set-json', value]),
  ])
  return parseManifests(rendered)
}
