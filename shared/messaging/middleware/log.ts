import type { Middleware } from '../handler.ts'

/** One line for each message handled: what it was, where it lay, what became of it, how long it took. */
export const logged: Middleware = (next) => async (handling) => {
  const { message } = handling
  const log = handling.log.child({
    'saga.id': message.headers.ce_subject ?? message.key,
    'messaging.destination.name': message.topic,
    'messaging.destination.partition.id': String(message.partition),
    'messaging.kafka.offset': message.offset,
    'messaging.message.id': message.headers.ce_id,
    'cloudevents.event_type': message.headers.ce_type,
  })
  const startedAt = performance.now()
  const durationMillis = () => Math.round((performance.now() - startedAt) * 100) / 100
  try {
    const outcome = await next({ ...handling, log })
    log.info(
      { 'event.name': 'message.handled', outcome, duration_ms: durationMillis() },
      `message ${outcome}`,
    )
    return outcome
  } catch (error) {
    log.error({ 'event.name': 'message.failed', err: error, duration_ms: durationMillis() }, 'message failed')
    throw error
  }
}
