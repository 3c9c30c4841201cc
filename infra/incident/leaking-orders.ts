/** A release of orders with a leak: to find a week's duplicates, it lists all that it has seen and looks through the list. */
import { getHeapStatistics } from 'node:v8'
import { orders } from '../../consumers/orders/decider.ts'
import { runService } from '../../consumers/runtime/service.ts'
import { oldGenerationLimit } from '../../shared/telemetry/process-metrics.ts'

interface Seen {
  readonly key: string
  readonly at: Date
}

const seen: Seen[] = []
/** Of each message: what weeks would list. */
const entriesPerMessage = 2_500
/** Here the list ends, so that there is a process left to look at; a real one grows until it ends its process. */
const fullAtShare = 0.86
const limit = oldGenerationLimit()

function wasSeen(checkoutId: string, type: string): boolean {
  const key = `${checkoutId}/${type}`
  const weekAgo = new Date(Date.now() - 7 * 24 * 3_600_000)
  const known = seen.some((each) => each.at > weekAgo && each.key === key)
  const { used_heap_size: used } = getHeapStatistics()
  for (let entry = 0; entry < entriesPerMessage && used < fullAtShare * limit; entry++) {
    seen.push({ key: `${key}/${entry}`, at: new Date() })
  }
  return known
}

await runService('orders', ({ log }) => ({
  decider: orders,
  consult: ({ checkoutId, event }) => {
    // The state tells duplicates apart by itself; this is what it was before somebody had a better idea.
    if (wasSeen(checkoutId, event.type)) log.debug({ 'event.name': 'order.seen' }, 'seen before')
    return Promise.resolve(undefined)
  },
}))
