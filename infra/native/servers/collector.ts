import { join } from 'node:path'
import type { InternalPorts, Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { answersOk } from './probe.ts'

export interface CollectorOptions {
  installation: string
  ports: Ports & InternalPorts
  run: RunDirectory
}

const configuration = join(import.meta.dirname, '..', '..', 'collector', 'collector.yaml')

/** The OpenTelemetry Collector, with the configuration that all ways to run Sagascope share. */
export function collector({ installation, ports, run }: CollectorOptions): ServerDefinition {
  const folder = run.folder('collector')
  const local = (port: number) => `127.0.0.1:${port}`
  return {
    name: 'collector',
    command: () => ({
      command: join(installation, 'collector'),
      args: [`--config=file:${configuration}`],
      directory: folder,
      environment: {
        ...process.env,
        OTLP_GRPC_ENDPOINT: local(ports.otlpGrpc),
        OTLP_HTTP_ENDPOINT: local(ports.otlpHttp),
        JAEGER_OTLP_ENDPOINT: local(ports.jaegerOtlp),
        ELASTICSEARCH_ENDPOINT: `http://${local(ports.elasticsearch)}`,
        PROMETHEUS_EXPORTER_ENDPOINT: local(ports.applicationMetrics),
        COLLECTOR_METRICS_HOST: '127.0.0.1',
        COLLECTOR_METRICS_PORT: String(ports.collectorMetrics),
        COLLECTOR_HEALTH_ENDPOINT: local(ports.collectorHealth),
      },
      logFile: run.logFile('collector'),
    }),
    isHealthy: () => answersOk(`http://${local(ports.collectorHealth)}/`),
  }
}
