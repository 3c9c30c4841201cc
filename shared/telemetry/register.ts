/**
 * Starts telemetry before anything else loads: `node --import ./shared/telemetry/register.ts <main.ts>`.
 *
 * Everything leaves by OTLP to one Collector, as the standard OTEL_* variables say; see
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import { register } from 'node:module'
import { basename, dirname } from 'node:path'
import { BunyanInstrumentation } from '@opentelemetry/instrumentation-bunyan'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { KafkaJsInstrumentation } from '@opentelemetry/instrumentation-kafkajs'
import { KoaInstrumentation, KoaLayerType } from '@opentelemetry/instrumentation-koa'
import { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { installTelemetryShutdown } from './flush.ts'
import { onConsume, onProduce } from './instrumentation-hooks.ts'
import { observeProcess } from './process-metrics.ts'
import { createPropagator } from './propagation.ts'
import { createSpanProcessors } from './span-processors.ts'

// eslint-disable-next-line @typescript-eslint/no-deprecated -- the instrumentation's hook is written for it
register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)

/** consumers/users/main.ts is the service `users`, unless OTEL_SERVICE_NAME says otherwise. */
const serviceName = process.env.OTEL_SERVICE_NAME ?? basename(dirname(process.argv[1] ?? 'sagascope/'))

const isProbe = (url: string | undefined): boolean => url === '/healthz' || url === '/readyz'

const sdk = new NodeSDK({
  serviceName,
  textMapPropagator: createPropagator(process.env.OTEL_PROPAGATORS),
  spanProcessors: createSpanProcessors(process.env.OTEL_TRACES_EXPORTER),
  instrumentations: [
    new HttpInstrumentation({ ignoreIncomingRequestHook: (request) => isProbe(request.url) }),
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
