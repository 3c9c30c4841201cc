/** All servers, in the order in which they are installed: what a first checkout needs comes first. */
export const serverNames = ['kafka', 'mongodb', 'elasticsearch', 'collector', 'jaeger', 'prometheus'] as const

export type ServerName = (typeof serverNames)[number]

export const serverTitles: Readonly<Record<ServerName, string>> = {
  kafka: 'Kafka',
  mongodb: 'MongoDB protocol',
  elasticsearch: 'Elasticsearch',
  collector: 'OpenTelemetry Collector',
  jaeger: 'Jaeger',
  prometheus: 'Prometheus',
}
