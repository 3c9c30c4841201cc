import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import { parseCommandLine, smallChaos } from './chaos-options.ts'
import { planCheckouts } from './checkout-mix.ts'
import { scheduleFaults } from './fault-schedule.ts'
import { seededRandom } from './random.ts'

const planned = (seed: number) => {
  const options = parseCommandLine(['--seed', String(seed)])
  if (options === 'help') throw new Error('no help was asked for')
  const { faults: counts, sessionTimeoutMillis } = options
  const random = seededRandom(seed)
  const checkouts = planCheckouts(options.checkouts, 'run', random)
  const faults = scheduleFaults(
    { counts, sessionTimeoutMillis, fromMillis: 10_000, untilMillis: 900_000 },
    random,
  )
  return { checkouts, faults, sessionTimeoutMillis }
}

describe('a run of chaos, as planned', () => {
  const { checkouts, faults, sessionTimeoutMillis } = planned(7)
  const count = (isCounted: (fault: (typeof faults)[number]) => boolean) => faults.filter(isCounted).length

  it('is the same for the same seed and another for another', () => {
    deepEqual(planned(7), { checkouts, faults, sessionTimeoutMillis })
    notDeepEqual(planned(8).faults, faults)
    notDeepEqual(planned(8).checkouts, checkouts)
  })

  it('has at full size what the promises ask for', () => {
    equal(checkouts.length, 10_000)
    equal(
      count(({ kind }) => kind === 'kill'),
      50,
    )
    equal(
      count(({ kind }) => kind === 'freeze'),
      20,
    )
    equal(
      count(({ kind, target }) => target === 'kafka' && (kind === 'restart' || kind === 'crash')),
      10,
    )
    equal(
      count(({ kind, target }) => target === 'mongodb' && (kind === 'restart' || kind === 'crash')),
      5,
    )
    for (const kind of ['latency', 'reset', 'black-hole']) ok(count((fault) => fault.kind === kind) > 0)
  })

  it('kills and freezes each service alike, and freezes past the session timeout', () => {
    const kills = Object.groupBy(
      faults.filter(({ kind }) => kind === 'kill'),
      ({ target }) => target,
    )
    deepEqual(new Set(Object.values(kills).map((some) => some.length)), new Set([10]))
    for (const fault of faults) {
      if (fault.kind === 'freeze') ok(fault.forMillis > 1.1 * sessionTimeoutMillis)
    }
  })

  it('spreads its faults in order over the time given', () => {
    const times = faults.map(({ atMillis }) => atMillis)
    deepEqual(
      times,
      [...times].sort((one, other) => one - other),
    )
    ok((times[0] ?? 0) >= 10_000 && (times.at(-1) ?? 0) <= 900_000)
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    ok(Math.max(...gaps) < 30_000, `a gap of ${Math.max(...gaps)} ms`)
  })

  it('makes a fifth of the checkouts fail on their way', () => {
    const plain = checkouts.filter(
      ({ request, expects }) => request.payment.token === 'tok_visa' && expects === 'completed',
    )
    const share = 1 - plain.length / checkouts.length
    ok(share > 0.18 && share < 0.22, `${share}`)
    deepEqual(
      new Set(checkouts.map(({ expects }) => expects)),
      new Set(['completed', 'compensated', 'rejected']),
    )
  })

  it('gives each client a marker and a key of its own, and some clients one email', () => {
    equal(new Set(checkouts.map(({ marker }) => marker)).size, checkouts.length)
    const keys = checkouts.flatMap(({ idempotencyKey }) => idempotencyKey ?? [])
    equal(new Set(keys).size, keys.length)
    ok(keys.length < checkouts.length)
    const emails = new Set(checkouts.map(({ request }) => request.user.email))
    ok(emails.size < 0.85 * checkouts.length, `${emails.size} emails`)
  })

  it('has ten faults of every kind in its small size', () => {
    const { faults: counts, sessionTimeoutMillis: session, checkouts: placed } = smallChaos(1)
    const random = seededRandom(1)
    const small = scheduleFaults(
      { counts, sessionTimeoutMillis: session, fromMillis: 0, untilMillis: 1 },
      random,
    )
    equal(small.length, 10)
    equal(placed, 1_000)
    equal(new Set(small.map(({ kind }) => kind)).size, 6)
  })
})
