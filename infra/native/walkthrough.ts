/** The demo: real checkouts of every kind, and what the backends have of them. */
import { randomUUID } from 'node:crypto'
import { describe, readBack } from '../verify/checkout-report.ts'
import type { Backends } from '../verify/checkout-report.ts'
import { placeCheckout, postCheckout, sampleCheckout, untilEnded } from '../verify/checkouts.ts'
import type { Movement } from '../verify/counters.ts'
import { countersQuery, movements, readCounters } from '../verify/counters.ts'
import { eventually } from '../verify/eventually.ts'

/** How many counts checkouts make, one an event: the first, and then the three that are accepted here. */
const countsOfFirst = 6
const countsExpected = 6 + 7 + 5

/**
 * Places five checkouts, then prints the completed and the compensated one as the gateway, Jaeger and
 * Elasticsearch have them, and the metrics that moved.
 * @throws Error when a backend does not have what it should
 */
export async function walkThrough(backends: Backends): Promise<void> {
  const { gatewayUrl, prometheusUrl } = backends
  const person = randomUUID().slice(0, 8)
  const before = await eventually('the metrics of the first checkout in Prometheus', async () => {
    const counters = await readCounters(prometheusUrl)
    return countsIn(movements(new Map(), counters)) >= countsOfFirst ? counters : undefined
  })

  console.log(`\nFive checkouts, POSTed to ${gatewayUrl}/checkouts\n`)
  const key = { 'idempotency-key': randomUUID() }
  const good = sampleCheckout({ email: `${person}@example.com` })
  const completed = await placeCheckout(gatewayUrl, good, key)
  say('one that completes', `202, checkout ${completed.checkoutId}`)

  const bad = sampleCheckout({ email: `${person}-declined@example.com`, token: 'tok_declined' })
  const declined = await placeCheckout(gatewayUrl, bad)
  say('one whose payment is declined', `202, checkout ${declined.checkoutId}`)

  const soldOut = sampleCheckout({ email: `${person}-sold-out@example.com`, sku: 'SAGA-POSTER' })
  const rejected = await placeCheckout(gatewayUrl, soldOut)
  say('one whose order is rejected', `202, checkout ${rejected.checkoutId}`)

  const refused = await postCheckout(gatewayUrl, {
    ...good,
    order: { items: [{ sku: 'SAGA-MUG', quantity: 0 }] },
  })
  say('one that the gateway refuses', `${refused.status}, ${JSON.stringify(refused.body)}`)

  const again = await placeCheckout(gatewayUrl, good, key)
  const same = again.checkoutId === completed.checkoutId ? 'the same checkout' : 'another checkout (wrong!)'
  say('the first again, same Idempotency-Key', `202, ${same}`)
  if (again.checkoutId !== completed.checkoutId) throw new Error('one Idempotency-Key made two checkouts')

  const reports = await Promise.all(
    [completed, declined, rejected].map(async ({ checkoutId }) =>
      readBack(backends, await untilEnded(gatewayUrl, checkoutId)),
    ),
  )
  const titles = ['The one that completes', 'The one whose payment is declined']
  for (const [index, title] of titles.entries()) {
    const report = reports[index]
    if (report) console.log(`\n${describe(title, report, backends).join('\n')}`)
  }

  const moved = await eventually('the metrics of these checkouts in Prometheus', async () => {
    const seen = movements(before, await readCounters(prometheusUrl))
    return countsIn(seen) >= countsExpected ? seen : undefined
  })
  console.log('\nMetrics that moved')
  for (const { series, before: from, after: to } of moved)
    console.log(`    ${series.padEnd(56)} ${from} -> ${to}`)
  console.log(`    ${prometheusUrl}/api/v1/query?query=${encodeURIComponent(countersQuery)}`)
}

const countsIn = (moved: readonly Movement[]): number =>
  moved.reduce((sum, { before, after }) => sum + after - before, 0)

const say = (what: string, answer: string): void => console.log(`  ${`${what}:`.padEnd(40)} ${answer}`)
