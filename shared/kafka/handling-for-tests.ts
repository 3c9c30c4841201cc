/** A message under way in a service, without Kafka: what the tests of handlers and middleware start from. */
import type { LogLine } from '../telemetry/recording-logger.ts'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import type { IncomingMessage } from './cloud-events.ts'
import type { Handling } from './handler.ts'

/** A readable `OrderConfirmed`; the parts are there to be replaced. */
export const incoming = (changes: Partial<IncomingMessage> = {}): IncomingMessage => ({
  topic: 'orders',
  partition: 3,
  offset: '42',
  producedAtMillis: Date.parse('2026-11-23T12:00:00Z'),
  key: 'checkout-1',
  value: Buffer.from('{"orderId":"order-1"}'),
  headers: {
    ce_specversion: '1.0',
    ce_id: 'orders/checkout-1@2/0',
    ce_source: '/sagascope/orders',
    ce_type: 'dev.sagascope.OrderConfirmed.v1',
    ce_subject: 'checkout-1',
    ce_time: '2026-11-23T12:00:00.000Z',
    'content-type': 'application/json',
  },
  ...changes,
})

export interface RecordedHandling {
  readonly handling: Handling
  readonly lines: LogLine[]
  readonly heartbeats: () => number
  /** What keeps the message's offset from being committed. */
  readonly held: readonly Promise<unknown>[]
  /** What a process does that starts to drain. */
  readonly drain: () => void
}

export function handlingOf(
  message: IncomingMessage = incoming(),
  heartbeat: () => Promise<void> = () => Promise.resolve(),
): RecordedHandling {
  const { log, lines } = createRecordingLogger()
  const draining = new AbortController()
  const held: Promise<unknown>[] = []
  let heartbeats = 0
  return {
    handling: {
      message,
      log,
      signal: draining.signal,
      attempts: { made: 1 },
      heartbeat: () => {
        heartbeats += 1
        return heartbeat()
      },
      holdOffset: (work) => void held.push(work),
    },
    lines,
    held,
    heartbeats: () => heartbeats,
    drain: () => draining.abort(),
  }
}
