/** The libraries that make spans, metrics and log records of what the services' own libraries do. */
import type { Instrumentation } from '@opentelemetry/instrumentation'
import { BunyanInstrumentation } from '@opentelemetry/instrumentation-bunyan'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { KafkaJsInstrumentation } from '@opentelemetry/instrumentation-kafkajs'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import { dropPassengers, requestAttributes } from './incoming-request.ts'
import { onConsume, onProduce } from './instrumentation-hooks.ts'
import { eventLoopSampleMillis } from './process-metrics.ts'
import type { PublicEdge } from './public-edge.ts'
import { createPublicEdge } from './public-edge.ts'

/**
 * They patch what is loaded after they are made.
 * @param edge what the trace context of a caller is worth
 */
export const createInstrumentations = (
  edge: PublicEdge = createPublicEdge(process.env.INCOMING_TRACE_CONTEXT),
): Instrumentation[] => [
  createHttpInstrumentation(edge),
  // The router's layer gives the server span its route; the other layers are ours and say nothing new.
  new KoaInstrumentation({ ignoreLayersType: [KoaLayerType.MIDDLEWARE] }),
  new KafkaJsInstrumentation({ consumerHook: onConsume, producerHook: onProduce }),
  new MongoDBSpans({ dbStatementSerializer: withoutQueryText }),
  new BunyanInstrumentation(),
  new RuntimeNodeInstrumentation({ monitoringPrecision: eventLoopSampleMillis }),
]

const createHttpInstrumentation = (edge: PublicEdge): Instrumentation =>
  new HttpInstrumentation({
    ignoreIncomingRequestHook: (request) => {
      edge.onRequest(request)
      dropPassengers(request)
      return isProbe(request.url)
    },
    requestHook: (span, request) => edge.onSpan(span, request),
    startIncomingSpanHook: requestAttributes,
    // No service asks another over HTTP; what exporters send is no telemetry of ours.
    disableOutgoingRequestInstrumentation: true,
  })

const isProbe = (url: string | undefined): boolean => url === '/healthz' || url === '/readyz'

/**
 * Undefined leaves `db.query.text` out. By default it is the whole command, each value replaced by `?`, written for
 * sampled and unsampled ones alike: with a commit to insert that is most of what a span of the store costs. The span's
 * name says operation and collection, and there is one query for each.
 */
const withoutQueryText = (): string => undefined as unknown as string

/** Without its one metric, sessions in use, which nobody reads: for each command it is counted four times. */
class MongoDBSpans extends MongoDBInstrumentation {
  override _updateMetricInstruments(): void {}
}
