import { join } from 'node:path'
import type { InternalPorts, Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { garbageCollection } from './garbage-collection.ts'
import { answersOk } from './probe.ts'

export interface CollectorOptions {
  installation: string
  ports: Ports & InternalPorts
  run: RunDirectory
  /** Configuration files after the shared one, as paths below infra/collector. */
  overlays?: readonly string[]
  /** What the overlays ask for, and what shall be other than told here. */
  environment?: Readonly<Record<string, string>>
}

const shared = join(import.meta.dirname, '..', '..', 'collector')

/** The OpenTelemetry Collector, with the configuration that all ways to run Sagascope share. */
export function collector(options: CollectorOptions): ServerDefinition {
  const { installation, ports, run, overlays = [], environment = {} } = options
  const folder = run.folder('collector')
  const local = (port: number) => `127.0.0.1:${port}`
  return {
    name: 'collector',
    command: () => ({
      command: join(installation, 'collector'),
      args: ['collector.yaml', ...overlays].map((file) => `--config=file:${join(shared, file)}`),
      directory: folder,
      environment: {
        ...process.env,
        ...garbageCollection,
        OTLP_GRPC_ENDPOINT: local(ports.otlpGrpc),
        OTLP_HTTP_ENDPOINT: local(ports.otlpHttp),
        JAEGER_OTLP_ENDPOINT: local(ports.jaegerOtlp),
        ELASTICSEARCH_ENDPOINT: `http://${local(ports.elasticsearch)}`,
        PROMETHEUS_EXPORTER_ENDPOINT: local(ports.applicationMetrics),
        COLLECTOR_METRICS_HOST: '127.0.0.1',
        COLLECTOR_METRICS_PORT: String(ports.collectorMetrics),
        COLLECTOR_HEALTH_ENDPOINT: local(ports.collectorHealth),
        ...environment,
      },
      logFile: run.logFile('collector'),
    }),
    isHealthy: () => answersOk(`http://${local(ports.collectorHealth)}/`),
  }
}
