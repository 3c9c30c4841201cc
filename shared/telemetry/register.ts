/** Starts telemetry before anything else loads: `node --import ./shared/telemetry/register.ts <main.ts>`. */
import { register } from 'node:module'
import { installTelemetryShutdown } from './flush.ts'
import { startTelemetry } from './start-telemetry.ts'

// eslint-disable-next-line @typescript-eslint/no-deprecated -- the instrumentation's hook is written for it
register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)

const telemetry = await startTelemetry()
installTelemetryShutdown(() => telemetry.shutdown())
