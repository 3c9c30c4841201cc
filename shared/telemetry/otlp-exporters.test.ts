import { equal } from 'node:assert/strict'
import { OTLPLogExporter as GrpcLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc'
import { OTLPLogExporter as JsonLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtobufLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as JsonTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { createLogExporter, createTraceExporter } from './otlp-exporters.ts'

const variables = [
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
  'OTEL_EXPORTER_OTLP_LOGS_PROTOCOL',
] as const

const created = async (environment: Partial<Record<(typeof variables)[number], string>>) => {
  Object.assign(process.env, environment)
  const [traces, logs] = await Promise.all([createTraceExporter(), createLogExporter()])
  await Promise.all([traces.shutdown(), logs.shutdown()])
  return { traces: traces.constructor, logs: logs.constructor }
}

describe('the OTLP exporters', () => {
  afterEach(() => {
    for (const name of variables) Reflect.deleteProperty(process.env, name)
  })

  it('send protobuf over HTTP unless told otherwise', async () => {
    for (const unset of [
      {},
      { OTEL_EXPORTER_OTLP_PROTOCOL: '' },
      { OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: ' ' },
    ]) {
      const { traces, logs } = await created(unset)
      equal(traces, ProtobufTraceExporter)
      equal(logs, ProtobufLogExporter)
    }
  })

  it('speak what OTEL_EXPORTER_OTLP_PROTOCOL names', async () => {
    const json = await created({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })
    equal(json.traces, JsonTraceExporter)
    equal(json.logs, JsonLogExporter)
    const grpc = await created({ OTEL_EXPORTER_OTLP_PROTOCOL: ' grpc ' })
    equal(grpc.traces, GrpcTraceExporter)
    equal(grpc.logs, GrpcLogExporter)
  })

  it('follow the variable of their own signal first', async () => {
    const { traces, logs } = await created({
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    })
    equal(traces, JsonTraceExporter)
    equal(logs, GrpcLogExporter)
  })
})
