/**
 * What sends spans and log records by OTLP, in the protocol that OTEL_EXPORTER_OTLP_PROTOCOL names, or the variable of
 * the signal. Only the exporter that is used is loaded: gRPC's alone takes 7 MB. Those of metrics are the SDK's own.
 * See https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specify-protocol
 */
import type { LogRecordExporter } from '@opentelemetry/sdk-logs'
import type { SpanExporter } from '@opentelemetry/sdk-trace'

const protocols = ['http/protobuf', 'http/json', 'grpc'] as const
type Protocol = (typeof protocols)[number]

const isProtocol = (name: string): name is Protocol => (protocols as readonly string[]).includes(name)

/** Other values are not left by dropBadSettings, settings.ts. */
function protocolOf(signal: 'TRACES' | 'LOGS'): Protocol {
  const own = process.env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`]?.trim()
  const name = own || process.env.OTEL_EXPORTER_OTLP_PROTOCOL?.trim() || 'http/protobuf'
  return isProtocol(name) ? name : 'http/protobuf'
}

const loadTraceExporter = {
  'http/protobuf': () => import('@opentelemetry/exporter-trace-otlp-proto'),
  'http/json': () => import('@opentelemetry/exporter-trace-otlp-http'),
  grpc: () => import('@opentelemetry/exporter-trace-otlp-grpc'),
}

const loadLogExporter = {
  'http/protobuf': () => import('@opentelemetry/exporter-logs-otlp-proto'),
  'http/json': () => import('@opentelemetry/exporter-logs-otlp-http'),
  grpc: () => import('@opentelemetry/exporter-logs-otlp-grpc'),
}

export async function createTraceExporter(): Promise<SpanExporter> {
  const { OTLPTraceExporter } = await loadTraceExporter[protocolOf('TRACES')]()
  return new OTLPTraceExporter()
}

export async function createLogExporter(): Promise<LogRecordExporter> {
  const { OTLPLogExporter } = await loadLogExporter[protocolOf('LOGS')]()
  return new OTLPLogExporter()
}
