import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InternalPorts, Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { answersOk } from './probe.ts'

export interface PrometheusOptions {
  installation: string
  ports: Ports & InternalPorts
  run: RunDirectory
  /** A folder with prometheus.yml and rules/; the shared one unless told. */
  configuration?: string
  /** From one scrape and one evaluation of rules to the next; what the configuration says unless told. */
  interval?: string
}

const shared = join(import.meta.dirname, '..', '..', 'prometheus')

/** Prometheus. Its configuration and its rules are the shared ones; the targets are written here. */
export function prometheus({
  installation,
  ports,
  run,
  configuration = shared,
  interval,
}: PrometheusOptions): ServerDefinition {
  const folder = run.folder('prometheus')
  const address = `127.0.0.1:${ports.prometheus}`
  return {
    name: 'prometheus',
    async prepare() {
      const settings = await readFile(join(configuration, 'prometheus.yml'), 'utf8')
      const global = /^( +(?:scrape|evaluation)_interval:) .+$/gm
      await writeFile(
        join(folder, 'prometheus.yml'),
        interval === undefined ? settings : settings.replaceAll(global, `$1 ${interval}`),
      )
      await cp(join(configuration, 'rules'), join(folder, 'rules'), { recursive: true })
      const targetFolder = run.folder('prometheus/targets')
      const write = (name: string, targets: readonly number[]) =>
        writeFile(
          join(targetFolder, `${name}.yml`),
          JSON.stringify([{ targets: targets.map((target) => `127.0.0.1:${target}`) }]),
        )
      await write('applications', [ports.applicationMetrics])
      await write('platform', [ports.collectorMetrics, ports.jaegerMetrics])
    },
    command: () => ({
      command: join(installation, 'prometheus'),
      args: [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--enable-feature=exemplar-storage',
      ],
      directory: folder,
      logFile: run.logFile('prometheus'),
    }),
    isHealthy: () => answersOk(`http://${address}/-/ready`),
  }
}
