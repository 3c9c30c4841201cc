/** Makes a processor at its first use: before the SDK has started there is nobody to count what is dropped. */
import type { Context } from '@opentelemetry/api'
import type { LogRecordProcessor, ReadWriteLogRecord } from '@opentelemetry/sdk-logs'
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace'

interface Processor {
  forceFlush(): Promise<void>
  shutdown(): Promise<void>
}

class OnceUsed<Kind extends Processor> implements Processor {
  readonly #create: () => Kind
  #made: Kind | undefined

  constructor(create: () => Kind) {
    this.#create = create
  }
  protected get processor(): Kind {
    return (this.#made ??= this.#create())
  }
  async forceFlush(): Promise<void> {
    await this.#made?.forceFlush()
  }
  async shutdown(): Promise<void> {
    await this.#made?.shutdown()
  }
}

export class SpanProcessorOnceUsed extends OnceUsed<SpanProcessor> implements SpanProcessor {
  onStart(span: Span, parent: Context): void {
    this.processor.onStart(span, parent)
  }
  onEnd(span: ReadableSpan): void {
    this.processor.onEnd(span)
  }
}

export class LogRecordProcessorOnceUsed extends OnceUsed<LogRecordProcessor> implements LogRecordProcessor {
  onEmit(record: ReadWriteLogRecord, context?: Context): void {
    this.processor.onEmit(record, context)
  }
}
