import { deepEqual } from 'node:assert/strict'
import { diag } from '@opentelemetry/api'
import { SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import type { RecordedSpans } from './recorded-spans.ts'
import { recordSpans } from './recorded-spans.ts'
import { withSagaId } from './saga-id.ts'
import {
  createSpanProcessors,
  forgetActiveSpan,
  ProducerLinkProcessor,
  SagaIdProcessor,
  WithoutForgotten,
} from './span-processors.ts'

describe('the spans that are exported', () => {
  let spans: RecordedSpans
  beforeEach(() => {
    spans = recordSpans((exporter) => [
      new SagaIdProcessor(),
      new WithoutForgotten(new SimpleSpanProcessor({ exporter })),
    ])
  })
  afterEach(() => spans.stop())

  const span = (name: string, work: () => void = () => {}): void =>
    spans.tracer.startActiveSpan(name, (active) => {
      work()
      active.end()
    })
  const exported = () => spans.exporter.getFinishedSpans().map(({ name }) => name)

  it('have the id of the checkout for which they were started, at any depth', () => {
    span('before', () => {
      withSagaId('checkout-1', () => span('outer', () => span('inner')))
      span('after')
    })
    deepEqual(
      spans.exporter.getFinishedSpans().map(({ name, attributes }) => [name, attributes['saga.id']]),
      [
        ['inner', 'checkout-1'],
        ['outer', 'checkout-1'],
        ['after', undefined],
        // Active when the id became known: that is the consumer span.
        ['before', 'checkout-1'],
      ],
    )
  })

  it('are left as they were once they have ended, without a warning', () => {
    const warnings: unknown[] = []
    const note = (...parts: unknown[]): void => void warnings.push(parts)
    diag.setLogger({ error: note, warn: note, info() {}, debug() {}, verbose() {} })
    spans.tracer.startActiveSpan('request', (active) => {
      active.end()
      withSagaId('checkout-1', () => span('published later'))
    })
    diag.disable()
    deepEqual(warnings, [])
    deepEqual(
      spans.exporter.getFinishedSpans().map(({ name, attributes }) => [name, attributes['saga.id']]),
      [
        ['request', undefined],
        ['published later', 'checkout-1'],
      ],
    )
  })

  it('keep the checkouts apart that are handled at the same time', async () => {
    const handle = (checkoutId: string) =>
      withSagaId(checkoutId, async () => {
        await Promise.resolve()
        span(checkoutId)
      })
    await Promise.all([handle('checkout-1'), handle('checkout-2')])
    deepEqual(
      spans.exporter.getFinishedSpans().map(({ name, attributes }) => [name, attributes['saga.id']]),
      [
        ['checkout-1', 'checkout-1'],
        ['checkout-2', 'checkout-2'],
      ],
    )
  })

  it('are not those that were forgotten; their siblings and their parent are', () => {
    span('parent', () => {
      span('elder')
      span('passed over', forgetActiveSpan)
      span('younger')
    })
    deepEqual(exported(), ['elder', 'younger', 'parent'])
  })

  it('may be none to forget', () => {
    forgetActiveSpan()
    span('later')
    deepEqual(exported(), ['later'])
  })

  it('are flushed and shut down with what exports them', async () => {
    const asked: string[] = []
    const next = new SimpleSpanProcessor({ exporter: spans.exporter })
    next.forceFlush = () => Promise.resolve(void asked.push('flush'))
    next.shutdown = () => Promise.resolve(void asked.push('shutdown'))
    const processor = new WithoutForgotten(next)
    await processor.forceFlush()
    await processor.shutdown()
    deepEqual(asked, ['flush', 'shutdown'])
  })
})

describe('the span processors', () => {
  it('are none when traces are switched off', async () => {
    deepEqual(await createSpanProcessors('none'), [])
  })

  it('put the checkout’s id and the link on a span before it may be exported', async () => {
    const processors = await createSpanProcessors()
    deepEqual(
      processors.map(({ constructor }) => constructor),
      [SagaIdProcessor, ProducerLinkProcessor, WithoutForgotten],
    )
    await Promise.all(processors.map((processor) => processor.shutdown()))
  })
})
