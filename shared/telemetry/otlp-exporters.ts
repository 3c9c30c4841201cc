/**
 * What sends spans and log records by OTLP, in the protocol that OTEL_EXPORTER_OTLP_PROTOCOL names, or the variable of
 * the signal. Only the exporter that is used is loaded: gRPC's alone takes 7 MB. Those of metrics are the SDK's own.
 * See https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specify-protocol
 *
 * Over HTTP they are the packages' own in all but compression. There each attempt makes a stream that compresses the request
 * anew, and one that fails leaves its stream with 0.2 MB outside of the heap until that is collected: tens of megabytes in
 * a minute without a Collector. Here a request is compressed once, whatever becomes of it.
 */
import { gzipSync } from 'node:zlib'
import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base'
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http'
import type { IExporterMetricsHelper, ISerializer } from '@opentelemetry/otlp-transformer'
import {
  JsonLogsSerializer,
  JsonTraceSerializer,
  LogsExporterMetricsHelper,
  ProtobufLogsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer'
import type { LogRecordExporter } from '@opentelemetry/sdk-logs'
import type { SpanExporter } from '@opentelemetry/sdk-trace'

const contentTypes = { 'http/protobuf': 'application/x-protobuf', 'http/json': 'application/json' } as const
type HttpProtocol = keyof typeof contentTypes

const isHttpProtocol = (name: string): name is HttpProtocol => Object.hasOwn(contentTypes, name)

/** Other values are not left by dropBadSettings, settings.ts. */
function protocolOf(signal: 'TRACES' | 'LOGS'): HttpProtocol | 'grpc' {
  const own = process.env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`]?.trim()
  const name = own || process.env.OTEL_EXPORTER_OTLP_PROTOCOL?.trim() || 'http/protobuf'
  return name === 'grpc' || isHttpProtocol(name) ? name : 'http/protobuf'
}

interface Signal<Items> {
  readonly signal: 'TRACES' | 'LOGS'
  /** `otel.component.type` */
  readonly componentType: string
  readonly serializers: Readonly<Record<HttpProtocol, ISerializer<Items, unknown>>>
  readonly metricsHelper: IExporterMetricsHelper<Items>
  readonly createGrpcExporter: () => Promise<OTLPExporterBase<Items>>
}

function createHttpExporter<Items>(
  protocol: HttpProtocol,
  { signal, componentType, serializers, metricsHelper }: Signal<Items>,
): OTLPExporterBase<Items> {
  const serializer = serializers[protocol]
  // The packages' own exporters call it as well; what is to follow in 2.0 is not there yet.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const options = convertLegacyHttpOptions({}, signal, `v1/${signal.toLowerCase()}`, {
    'Content-Type': contentTypes[protocol],
  })
  const { headers } = options
  const isCompressed = options.compression === 'gzip'
  return new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      isCompressed
        ? {
            ...options,
            compression: 'none',
            headers: async () => ({ ...(await headers()), 'Content-Encoding': 'gzip' }),
          }
        : options,
      isCompressed ? compressing(serializer) : serializer,
      componentType,
      metricsHelper,
      undefined,
    ),
  )
}

const compressing = <Items, Response>(
  serializer: ISerializer<Items, Response>,
): ISerializer<Items, Response> => ({
  serializeRequest(items) {
    const request = serializer.serializeRequest(items)
    return request && gzipSync(request)
  },
  deserializeResponse: (response) => serializer.deserializeResponse(response),
})

const createExporter = async <Items>(signal: Signal<Items>): Promise<OTLPExporterBase<Items>> => {
  const protocol = protocolOf(signal.signal)
  return protocol === 'grpc' ? signal.createGrpcExporter() : createHttpExporter(protocol, signal)
}

export const createTraceExporter = (): Promise<SpanExporter> =>
  createExporter({
    signal: 'TRACES',
    componentType: 'otlp_http_span_exporter',
    serializers: { 'http/protobuf': ProtobufTraceSerializer, 'http/json': JsonTraceSerializer },
    metricsHelper: TraceExporterMetricsHelper,
    createGrpcExporter: async () =>
      new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter(),
  })

export const createLogExporter = (): Promise<LogRecordExporter> =>
  createExporter({
    signal: 'LOGS',
    componentType: 'otlp_http_log_exporter',
    serializers: { 'http/protobuf': ProtobufLogsSerializer, 'http/json': JsonLogsSerializer },
    metricsHelper: LogsExporterMetricsHelper,
    createGrpcExporter: async () =>
      new (await import('@opentelemetry/exporter-logs-otlp-grpc')).OTLPLogExporter(),
  })
