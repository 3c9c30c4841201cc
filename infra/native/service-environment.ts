import type { Stack } from './open-stack.ts'

/** The environment that points the services at a stack. */
export function serviceEnvironment({ urls }: Pick<Stack, 'urls'>): Record<string, string> {
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
