/** Which event led to which: as it says itself, and by the flow table where it was written before events did. */
import type { EventType, RecordedEvent } from '../../shared/saga/events.ts'
import { flow } from '../../shared/saga/flow.ts'

const leadingTo = (type: EventType): ReadonlySet<string> =>
  new Set(
    flow
      .filter(({ answers }) => (answers as readonly EventType[]).includes(type))
      .flatMap(({ on }) => on as readonly string[]),
  )

/**
 * The cause of each event, as far as it is among them. Where it is not told and the table allows several, it is the latest
 * that is not younger than the event: a payment that was declined before the checkout expired was not declined for that.
 * @returns ids of events by ids of events
 */
export function causesAmong(events: readonly RecordedEvent[]): ReadonlyMap<string, string> {
  const causes = new Map<string, string>()
  for (const ofCheckout of Map.groupBy(events, ({ checkoutId }) => checkoutId).values()) {
    const ids = new Set(ofCheckout.map(({ id }) => id))
    for (const effect of ofCheckout) {
      if (effect.causedBy !== undefined) {
        if (ids.has(effect.causedBy)) causes.set(effect.id, effect.causedBy)
        continue
      }
      const types = leadingTo(effect.event.type)
      const possible = ofCheckout
        .filter(({ event }) => types.has(event.type))
        .sort((a, b) => Date.parse(a.time) - Date.parse(b.time))
      const before = possible.filter(({ time }) => Date.parse(time) <= Date.parse(effect.time))
      const cause = before.at(-1) ?? possible[0] // clocks differ: an effect may seem older than its cause
      if (cause) causes.set(effect.id, cause.id)
    }
  }
  return causes
}
