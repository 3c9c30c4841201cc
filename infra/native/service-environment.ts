import type { StackUrls } from './open-stack.ts'

/** Where services find servers; the rest is for those who watch the servers themselves. */
export type ServiceUrls = Omit<StackUrls, 'collectorMetricsUrl'>

/** The environment that points the services at a stack. */
export function serviceEnvironment({ urls }: { readonly urls: ServiceUrls }): Record<string, string> {
  return {
    KAFKA_BROKERS: urls.kafkaBrokers,
    MONGODB_URL: urls.mongodbUrl,
    OTEL_EXPORTER_OTLP_ENDPOINT: urls.otlpHttpUrl,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    ELASTICSEARCH_URL: urls.elasticsearchUrl,
    JAEGER_URL: urls.jaegerUrl,
    PROMETHEUS_URL: urls.prometheusUrl,
    GATEWAY_CONSOLE: 'on',
  }
}
