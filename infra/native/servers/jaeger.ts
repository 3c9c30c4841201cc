import { join } from 'node:path'
import type { InternalPorts, Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { answersOk } from './probe.ts'

export interface JaegerOptions {
  installation: string
  ports: Ports & InternalPorts
  run: RunDirectory
}

const configuration = join(import.meta.dirname, '..', '..', 'jaeger', 'jaeger.yaml')

/** Jaeger 2 with traces in memory: they are gone when it stops. */
export function jaeger({ installation, ports, run }: JaegerOptions): ServerDefinition {
  const folder = run.folder('jaeger')
  const local = (port: number) => `127.0.0.1:${port}`
  return {
    name: 'jaeger',
    command: () => ({
      command: join(installation, 'jaeger'),
      args: [`--config=file:${configuration}`],
      directory: folder,
      environment: {
        ...process.env,
        // Else it traces its own queries: to port 4317, whoever listens there, for which it waits 10 s when it stops.
        OTEL_TRACES_SAMPLER: 'always_off',
        JAEGER_QUERY_ENDPOINT: local(ports.jaeger),
        JAEGER_QUERY_GRPC_ENDPOINT: local(ports.jaegerQueryGrpc),
        JAEGER_OTLP_ENDPOINT: local(ports.jaegerOtlp),
        JAEGER_HEALTH_ENDPOINT: local(ports.jaegerHealth),
        JAEGER_METRICS_HOST: '127.0.0.1',
        JAEGER_METRICS_PORT: String(ports.jaegerMetrics),
      },
      logFile: run.logFile('jaeger'),
    }),
    isHealthy: async () =>
      (await answersOk(`http://${local(ports.jaegerHealth)}/status`)) &&
      (await answersOk(`http://${local(ports.jaeger)}/api/services`)),
  }
}
