/** Starts telemetry before anything else loads: `node --import ./shared/telemetry/register.ts <main.ts>`. */
import { installTelemetryShutdown } from './flush.ts'
import { patchImports } from './patch-imports.ts'
import { startTelemetry } from './start-telemetry.ts'

patchImports()

const telemetry = await startTelemetry()
installTelemetryShutdown(() => telemetry.shutdown())
