/**
 * Telemetry with the least instrumentation that keeps the contract (infra/verify/telemetry-contract.ts), on the same SDK:
 * `node --import ./infra/lab/arms/lean/register.ts <main.ts>`. One file a library; each is patched where it is, so no
 * import has to be looked at.
 *
 * That it keeps it: `SAGASCOPE_TELEMETRY=./infra/lab/arms/lean/register.ts npm test -- -g 'the telemetry contract'`.
 *
 * What it leaves out beside the libraries that it replaces: attributes that the contract does not name
 * (`db.query.text`, `network.*`, the cluster's id), metrics of sessions and consumed messages, and all spans of what is
 * not sampled, also those that only carry its context on. A message that the service passes over has no span to forget.
 */
import { basename, dirname } from 'node:path'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import { installTelemetryShutdown } from '../../../../shared/telemetry/flush.ts'
import { eventLoopSampleMillis } from '../../../../shared/telemetry/process-metrics.ts'
import { startTelemetry } from '../../../../shared/telemetry/start-telemetry.ts'
import { instrumentBunyan } from './bunyan.ts'
import { instrumentHttpServer } from './http.ts'
import { instrumentKafkaJs } from './kafkajs.ts'
import { instrumentMongoDb } from './mongodb.ts'
import { passedOverBy } from './passed-over.ts'

const telemetry = await startTelemetry({
  instrumentations: [new RuntimeNodeInstrumentation({ monitoringPrecision: eventLoopSampleMillis })],
})
installTelemetryShutdown(() => telemetry.shutdown())

// After telemetry has started: a meter that is asked for before has nobody to tell.
const service = basename(dirname(process.argv[1] ?? 'sagascope/'))
instrumentBunyan()
instrumentHttpServer()
instrumentMongoDb()
instrumentKafkaJs(passedOverBy(service))
if (service === 'gateway') (await import('./koa.ts')).instrumentKoa()
