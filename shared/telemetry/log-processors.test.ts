import { deepEqual, equal } from 'node:assert/strict'
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import type { Context } from '@opentelemetry/api'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { createLogProcessors, OfSampledTraces } from './log-processors.ts'

const inTrace = (traceFlags: number): Context =>
  trace.setSpanContext(ROOT_CONTEXT, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags,
  })

/** What is exported of a line in a sampled trace, one in an unsampled trace, and one in none. */
async function exported(traceBased?: string): Promise<unknown[]> {
  const exporter = new InMemoryLogRecordExporter()
  const processors = await createLogProcessors(
    'otlp',
    () => new SimpleLogRecordProcessor({ exporter }),
    traceBased,
  )
  const logger = new LoggerProvider({ processors: processors ?? [] }).getLogger('tests')
  logger.emit({ body: 'sampled', context: inTrace(1) })
  logger.emit({ body: 'unsampled', context: inTrace(0) })
  logger.emit({ body: 'outside', context: ROOT_CONTEXT })
  return exporter.getFinishedLogRecords().map(({ body }) => body)
}

describe('the log records that are exported', () => {
  it('are all of them unless told otherwise', async () => {
    deepEqual(await exported(), ['sampled', 'unsampled', 'outside'])
    deepEqual(await exported('off'), ['sampled', 'unsampled', 'outside'])
  })

  it('are those of sampled traces and of none, where they are trace-based', async () => {
    deepEqual(await exported('on'), ['sampled', 'outside'])
  })

  it('are flushed and shut down with what exports them', async () => {
    const asked: string[] = []
    const processor = new OfSampledTraces({
      onEmit: () => undefined,
      forceFlush: () => Promise.resolve(void asked.push('flush')),
      shutdown: () => Promise.resolve(void asked.push('shutdown')),
    })
    await processor.forceFlush()
    await processor.shutdown()
    deepEqual(asked, ['flush', 'shutdown'])
  })

  it('are made by the SDK where they do not go by OTLP', async () => {
    equal(await createLogProcessors('console'), undefined)
  })
})
