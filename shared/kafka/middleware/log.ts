import type { Middleware } from '../handler.ts'
import { checkoutNamedBy, eventTypeOf, messageIdOf } from '../public-names.ts'

/** One line for each message handled: what it was, where it lay, what became of it, how long it took. */
export const logged: Middleware = (next) => async (handling) => {
  const { message } = handling
  const named = {
    'saga.id': checkoutNamedBy(message),
    'messaging.destination.name': message.topic,
    'messaging.destination.partition.id': String(message.partition),
    'messaging.kafka.offset': message.offset,
    'messaging.message.id': messageIdOf(message),
    'cloudevents.event_type': eventTypeOf(message),
  }
  const log = handling.log.child(named, true) // plain fields: a tenth of what a full child costs
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
    const fields = { err: error, duration_ms: durationMillis() }
    if (handling.signal.aborted) {
      log.info(
        { 'event.name': 'message.interrupted', ...fields },
        'the process stops; it will be delivered again',
      )
    } else {
      log.error({ 'event.name': 'message.failed', ...fields }, 'message failed')
    }
    throw error
  }
}
