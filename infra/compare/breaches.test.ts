import { deepEqual } from 'node:assert/strict'
import { compareTraces } from '../../shared/traces/compare-traces.ts'
import { breachesOf, breachesOfSets } from './breaches.ts'
import { compareSets } from './compare-sets.ts'
import { slowSpans, usualSpans } from './comparison-for-tests.ts'

const none = { failOver: undefined, failOn: [] }
const leastMicros = 1_000

describe('the limits of a comparison', () => {
  const comparison = compareTraces(usualSpans, slowSpans)

  it('are no limits unless somebody sets them', () => {
    deepEqual(breachesOf(comparison, none, leastMicros), [])
  })

  it('name what takes too many times as long, the whole and queues as well', () => {
    deepEqual(breachesOf(comparison, { ...none, failOver: 10 }, leastMicros), [
      'queue orders (payments) took 32.0 ms, not 2.0 ms',
      'capture payment (payments) took 100.0 ms, not 5.0 ms',
    ])
    deepEqual(
      breachesOf(comparison, { ...none, failOver: 4.5 }, leastMicros)[0],
      'the whole took 175.0 ms, not 36.0 ms',
    )
    deepEqual(breachesOf(comparison, { ...none, failOver: 20 }, leastMicros), [])
    deepEqual(breachesOf(compareTraces(slowSpans, usualSpans), { ...none, failOver: 1 }, leastMicros), [])
  })

  it('say nothing of what is too little to matter', () => {
    deepEqual(breachesOf(comparison, { ...none, failOver: 10 }, 50_000), [
      'capture payment (payments) took 100.0 ms, not 5.0 ms',
    ])
  })

  it('name what is missing, added, or failed where it had not', () => {
    deepEqual(breachesOf(comparison, { ...none, failOn: ['missing'] }, leastMicros), [
      'insert commits (payments) is missing',
      'process payments (orders) is missing',
    ])
    deepEqual(breachesOf(comparison, { ...none, failOn: ['added', 'failed'] }, leastMicros), [
      'capture payment (payments) is added',
      'capture payment (payments) failed',
    ])
    deepEqual(
      breachesOf(compareTraces(slowSpans, slowSpans), { ...none, failOn: ['failed'] }, leastMicros),
      [],
    )
  })
})

describe('the limits of a comparison of sets', function () {
  this.timeout(10_000)

  const times = (count: number, spans: typeof usualSpans) => Array.from({ length: count }, () => spans)
  const comparison = compareSets(times(20, usualSpans), times(12, slowSpans))

  it('name what the whole interval has above them', () => {
    deepEqual(breachesOfSets(comparison, none, leastMicros), [])
    deepEqual(breachesOfSets(comparison, { ...none, failOver: 8 }, leastMicros), [
      'queue orders (payments) took 32.0 ms, not 2.0 ms, in the median',
      'process orders (payments) took 135.0 ms, not 15.0 ms, in the median',
    ])
  })

  it('do not fail on what is too few to tell', () => {
    const few = compareSets(times(3, usualSpans), times(3, slowSpans))
    deepEqual(breachesOfSets(few, { failOver: 1, failOn: ['missing', 'added', 'failed'] }, leastMicros), [])
  })

  it('name what is missing, added, or fails more often', () => {
    deepEqual(breachesOfSets(comparison, { ...none, failOn: ['missing', 'added', 'failed'] }, leastMicros), [
      'process payments (orders) is missing',
      'insert commits (payments) is missing',
      'capture payment (payments) is added',
      'capture payment (payments) failed in 12 of 12 traces',
    ])
    deepEqual(
      breachesOfSets(
        compareSets(times(12, slowSpans), times(20, usualSpans)),
        { ...none, failOn: ['failed'] },
        leastMicros,
      ),
      [],
    )
  })
})
