/**
 * Starts telemetry before anything else loads: `node --import ./shared/telemetry/register.ts <main.ts>`.
 *
 * Everything leaves by OTLP to one Collector, as the standard OTEL_* variables say; see
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import { register } from 'node:module'
import { basename, dirname } from 'node:path'
import { diag, DiagLogLevel } from '@opentelemetry/api'
import { getNumberFromEnv } from '@opentelemetry/core'
import { BunyanInstrumentation } from '@opentelemetry/instrumentation-bunyan'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { KafkaJsInstrumentation } from '@opentelemetry/instrumentation-kafkajs'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { installTelemetryShutdown } from './flush.ts'
import { dropPassengers, requestAttributes } from './incoming-request.ts'
import { onConsume, onProduce } from './instrumentation-hooks.ts'
import { createLogProcessors } from './log-processors.ts'
import { observeProcess } from './process-metrics.ts'
import { createPropagator } from './propagation.ts'
import { createPublicEdge } from './public-edge.ts'
import { dropBadSettings } from './settings.ts'
import { createSpanProcessors } from './span-processors.ts'
import { createTelemetryLog } from './telemetry-log.ts'
import { createHopSampler, OwnTracePerHop } from './trace-hops.ts'

// eslint-disable-next-line @typescript-eslint/no-deprecated -- the instrumentation's hook is written for it
register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)

/** consumers/users/main.ts is the service `users`, unless OTEL_SERVICE_NAME says otherwise. */
const serviceName = process.env.OTEL_SERVICE_NAME ?? basename(dirname(process.argv[1] ?? 'sagascope/'))

const telemetryLog = createTelemetryLog(serviceName)
const warn = (message: string): void => telemetryLog.warn(message)
// With OTEL_LOG_LEVEL the SDK writes to the console itself, for whoever looks for a fault in it.
if (!process.env.OTEL_LOG_LEVEL) diag.setLogger(telemetryLog, DiagLogLevel.WARN)
dropBadSettings(process.env, warn)

const isProbe = (url: string | undefined): boolean => url === '/healthz' || url === '/readyz'

// A value that is none of theirs ends the process when it reads its configuration, shared/process/config.ts.
const { INCOMING_TRACE_CONTEXT, TRACE_HOPS, OTEL_PROPAGATORS, OTEL_TRACES_SAMPLER } = process.env
const edge = createPublicEdge(INCOMING_TRACE_CONTEXT)
const propagator = createPropagator(OTEL_PROPAGATORS, warn)
const hopSampler = createHopSampler(OTEL_TRACES_SAMPLER, getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG'))

try {
  const logRecordProcessors = createLogProcessors(process.env.OTEL_LOGS_EXPORTER)
  const sdk = new NodeSDK({
    serviceName,
    textMapPropagator: TRACE_HOPS === 'link' ? new OwnTracePerHop(propagator) : propagator,
    ...(TRACE_HOPS === 'link' && hopSampler && { sampler: hopSampler }),
    spanProcessors: createSpanProcessors(process.env.OTEL_TRACES_EXPORTER),
    ...(logRecordProcessors && { logRecordProcessors }),
    instrumentations: [
      new HttpInstrumentation({
        ignoreIncomingRequestHook: (request) => {
          edge.onRequest(request)
          dropPassengers(request)
          return isProbe(request.url)
        },
        requestHook: (span, request) => edge.onSpan(span, request),
        startIncomingSpanHook: requestAttributes,
      }),
      // The router's layer gives the server span its route; the other layers are ours and say nothing new.
      new KoaInstrumentation({ ignoreLayersType: [KoaLayerType.MIDDLEWARE] }),
      new KafkaJsInstrumentation({ consumerHook: onConsume, producerHook: onProduce }),
      new MongoDBInstrumentation(),
      new BunyanInstrumentation(),
      new RuntimeNodeInstrumentation(),
    ],
  })
  sdk.start()
  observeProcess()
  installTelemetryShutdown(() => sdk.shutdown())
} catch (error) {
  telemetryLog.error('telemetry has not started, and the service goes on without', error)
}
