/**
 * Sends messages to their topics again. A message keeps its id and key, so whoever has handled it drops it. Each has a
 * new trace that links to the span that sent it first, and says in its headers what it repeats.
 */
import type { SpanContext, Tracer } from '@opentelemetry/api'
import { trace } from '@opentelemetry/api'
import type { Headers } from '../../shared/kafka/headers.ts'
import type { Send } from '../../shared/kafka/kafka.ts'
import type { ReplayHeader } from '../../shared/kafka/replay-headers.ts'
import { placeOf } from '../../shared/kafka/replay-headers.ts'
import { spanNamedBy, traceparentOf } from '../../shared/telemetry/traceparent.ts'
import type { ChosenMessage } from './chosen.ts'
import { paced } from './paced.ts'
import { inOwnTrace, senderOf, toSendAgain } from './send-again.ts'

const header = (headers: Headers, name: ReplayHeader): string | undefined => headers[name]

/** What a message repeats: of a replay what that repeated, for its own place is only another copy's. */
export const originOf = ({ message }: ChosenMessage): string =>
  header(message.headers, 'replay-of') ?? placeOf(message)

/** The span that sent a message first; undefined when telemetry was off. */
export const firstSenderOf = ({ message: { headers } }: ChosenMessage): SpanContext | undefined =>
  header(headers, 'replay-of') === undefined
    ? senderOf(headers)
    : spanNamedBy(header(headers, 'replay-origin-traceparent'))

/** @returns the span that replayed it */
export function replay(
  chosen: ChosenMessage,
  send: Send,
  tracer: Tracer = trace.getTracer('sagascope'),
): Promise<SpanContext> {
  const { message, recorded } = chosen
  const sender = firstSenderOf(chosen)
  const traceparent = traceparentOf(sender)
  const mark: Partial<Record<ReplayHeader, string>> = {
    'replay-of': originOf(chosen),
    ...(traceparent !== undefined && { 'replay-origin-traceparent': traceparent }),
  }
  const ownTrace = {
    name: 'replay message',
    links: [sender],
    attributes: { 'replay.of': originOf(chosen), 'messaging.destination.name': message.topic },
    sagaId: recorded.checkoutId,
  }
  return inOwnTrace(tracer, ownTrace, async (span) => {
    await send([toSendAgain(message, mark)])
    return span.spanContext()
  })
}

/**
 * Replays messages in their order, at most so many a second.
 * @param signal ends it before the next
 * @throws what `send` throws; those before are sent then
 */
export async function replayAll(
  messages: readonly ChosenMessage[],
  send: Send,
  ratePerSecond: number,
  onReplayed: (chosen: ChosenMessage, span: SpanContext) => void,
  signal?: AbortSignal,
): Promise<void> {
  for await (const chosen of paced(messages, ratePerSecond, signal))
    onReplayed(chosen, await replay(chosen, send))
}
