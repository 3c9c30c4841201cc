/** Ours, except that every span and every log record is a request of its own. */
import { SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import { installTelemetryShutdown } from '../../../shared/telemetry/flush.ts'
import { patchImports } from '../../../shared/telemetry/patch-imports.ts'
import { startTelemetry } from '../../../shared/telemetry/start-telemetry.ts'

patchImports()

const telemetry = await startTelemetry({
  createSpanProcessor: (exporter) => new SimpleSpanProcessor({ exporter }),
  createLogRecordProcessor: (exporter) => new SimpleLogRecordProcessor({ exporter }),
})
installTelemetryShutdown(() => telemetry.shutdown())
