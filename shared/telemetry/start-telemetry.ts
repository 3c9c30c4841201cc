/**
 * Telemetry of one process: everything leaves by OTLP to one Collector, as the standard OTEL_* variables say; see
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import { basename, dirname } from 'node:path'
import type { DiagLogger, TextMapPropagator } from '@opentelemetry/api'
import { diag, DiagLogLevel } from '@opentelemetry/api'
import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core'
import type { Instrumentation } from '@opentelemetry/instrumentation'
import type { LogRecordExporter, LogRecordProcessor } from '@opentelemetry/sdk-logs'
import { NodeSDK } from '@opentelemetry/sdk-node'
import type { Sampler, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import { createInstrumentations } from './instrumentations.ts'
import { createBatchLogProcessor, createLogProcessors } from './log-processors.ts'
import { observeProcess } from './process-metrics.ts'
import { createPropagator } from './propagation.ts'
import { createSampler } from './samplers.ts'
import { dropBadSettings } from './settings.ts'
import { createBatchProcessor, createSpanProcessors } from './span-processors.ts'
import { createTelemetryLog } from './telemetry-log.ts'
import { OwnTracePerHop } from './trace-hops.ts'

/** What infra/lab varies to measure what each costs; the services run with none of them. */
export interface TelemetryOptions {
  /** Instead of ours; see createInstrumentations. */
  readonly instrumentations?: readonly Instrumentation[]
  /** What hands spans to an exporter; in batches unless told otherwise. */
  readonly createSpanProcessor?: (exporter: SpanExporter) => SpanProcessor
  /** What hands log records to an exporter; in batches unless told otherwise. */
  readonly createLogRecordProcessor?: (exporter: LogRecordExporter) => LogRecordProcessor
}

export interface Telemetry {
  /** Sends what is left; rejects where that fails. */
  shutdown(): Promise<void>
}

/** Never rejects: a service whose telemetry does not start goes on without, and says so. */
export async function startTelemetry(options: TelemetryOptions = {}): Promise<Telemetry> {
  const serviceName = serviceNameOf(process.argv[1])
  const telemetryLog = createTelemetryLog(serviceName)
  const warn = (message: string): void => telemetryLog.warn(message)
  // With OTEL_LOG_LEVEL the SDK writes to the console itself, for whoever looks for a fault in it.
  if (!process.env.OTEL_LOG_LEVEL) diag.setLogger(telemetryLog, DiagLogLevel.WARN)
  dropBadSettings(process.env, warn)
  try {
    const sdk = await createSdk(serviceName, options, warn)
    sdk.start()
    observeProcess()
    return { shutdown: () => sdk.shutdown() }
  } catch (error) {
    return withoutTelemetry(telemetryLog, error)
  }
}

/** consumers/users/main.ts is the service `users`, unless OTEL_SERVICE_NAME says otherwise. */
const serviceNameOf = (main = 'sagascope/'): string =>
  process.env.OTEL_SERVICE_NAME ?? basename(dirname(main))

async function createSdk(
  serviceName: string,
  options: TelemetryOptions,
  warn: (message: string) => void,
): Promise<NodeSDK> {
  const {
    instrumentations = createInstrumentations(),
    createSpanProcessor = createBatchProcessor,
    createLogRecordProcessor = createBatchLogProcessor,
  } = options
  const sampler = samplerOfEnvironment()
  const { OTEL_TRACES_EXPORTER, OTEL_LOGS_EXPORTER, TRACE_BASED_LOGS } = process.env
  const [spanProcessors, logRecordProcessors] = await Promise.all([
    createSpanProcessors(OTEL_TRACES_EXPORTER, createSpanProcessor),
    createLogProcessors(OTEL_LOGS_EXPORTER, createLogRecordProcessor, TRACE_BASED_LOGS),
  ])
  return new NodeSDK({
    serviceName,
    textMapPropagator: createTextMapPropagator(warn),
    ...(sampler && { sampler }),
    spanProcessors,
    ...(logRecordProcessors && { logRecordProcessors }),
    instrumentations: [...instrumentations],
  })
}

// A value that is none of its own ends the process when it reads its configuration, shared/process/config.ts.
const hopsAreLinks = (): boolean => process.env.TRACE_HOPS === 'link'

function createTextMapPropagator(warn: (message: string) => void): TextMapPropagator {
  const propagator = createPropagator(process.env.OTEL_PROPAGATORS, warn)
  return hopsAreLinks() ? new OwnTracePerHop(propagator) : propagator
}

const samplerOfEnvironment = (): Sampler | undefined =>
  createSampler(
    getStringFromEnv('OTEL_TRACES_SAMPLER'),
    getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG'),
    hopsAreLinks(),
  )

function withoutTelemetry(log: DiagLogger, error: unknown): Telemetry {
  log.error('telemetry has not started, and the service goes on without', error)
  return { shutdown: () => Promise.resolve() }
}
