import { equal, ok } from 'node:assert/strict'
import { SamplingDecision } from '@opentelemetry/sdk-trace'
import fc from 'fast-check'
import type { Random } from '../../infra/chaos/random.ts'
import { seededRandom } from '../../infra/chaos/random.ts'
import { RateLimitingSampler } from './rate-limiting-sampler.ts'

/** A sampler by a clock of its own, and the times at which it has sampled. */
function createRun(tracesPerSecond: number) {
  let nowMillis = 0
  const sampler = new RateLimitingSampler(tracesPerSecond, () => nowMillis)
  const sampledAtMillis: number[] = []
  return {
    sampledAtMillis,
    pass: (millis: number): void => void (nowMillis += millis),
    arrive(): void {
      if (sampler.shouldSample().decision === SamplingDecision.RECORD_AND_SAMPLED) {
        sampledAtMillis.push(nowMillis)
      }
    },
  }
}

/** Milliseconds from one arrival to the next, at an average rate. */
const steady = (perSecond: number) => (): number => 1_000 / perSecond
const random = (perSecond: number, source: Random) => (): number =>
  (-Math.log(1 - source.next()) * 1_000) / perSecond
/** Lots of many at once, at random times, a tenth of a second apart on average. */
function inLots(perSecond: number, source: Random): () => number {
  const nextLot = random(10, source)
  let left = 0
  return () => {
    if (left <= 0) left += perSecond / 10
    left -= 1
    return left > 0 ? 0 : nextLot()
  }
}

/** How many a second are sampled while they come for so long, by the sampler's own clock. */
function rateSampled(tracesPerSecond: number, gap: () => number, seconds: number, quietSeconds = 0): number {
  const run = createRun(tracesPerSecond)
  run.pass(quietSeconds * 1_000)
  let elapsed = 0
  while (elapsed < seconds * 1_000) {
    run.arrive()
    const millis = gap()
    run.pass(millis)
    elapsed += millis
  }
  return run.sampledAtMillis.length / seconds
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 })
const isWithin = (share: number, actual: number, wanted: number): void =>
  ok(Math.abs(actual - wanted) <= share * wanted, `${actual} a second where ${wanted} were wanted`)

describe('the rate-limiting sampler', () => {
  it('holds its rate within 5 % when ten times as much comes, at even times', () => {
    for (const rate of [1, 7, 100, 1_000]) {
      isWithin(0.05, rateSampled(rate, steady(10 * rate), 60), rate)
    }
  })

  it('holds its rate within 5 % when ten times as much comes, at random times and in lots', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 10, 50, 200), seeds, (rate, seed) => {
        const source = seededRandom(seed)
        isWithin(0.05, rateSampled(rate, random(10 * rate, source), 60), rate)
        isWithin(0.05, rateSampled(rate, inLots(10 * rate, source), 60), rate)
      }),
      { numRuns: 30 },
    )
  }).timeout(20_000)

  it('holds it also in the 10 s of a burst after an hour with nothing to do', () => {
    fc.assert(
      fc.property(fc.constantFrom(40, 200), seeds, (rate, seed) => {
        isWithin(0.05, rateSampled(rate, random(10 * rate, seededRandom(seed)), 10, 3_600), rate)
      }),
      { numRuns: 30 },
    )
  })

  it('samples all that comes below its rate', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1_000, noNaN: true }), (rate) => {
        const run = createRun(rate)
        for (let arrival = 0; arrival < 500; arrival++) {
          run.arrive()
          run.pass(1_001 / rate)
        }
        equal(run.sampledAtMillis.length, 500)
      }),
    )
  })

  it('never samples more in any time than its rate and what may be saved up, whatever comes', () => {
    const gaps = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2_000, noNaN: true })), {
      minLength: 1,
      maxLength: 200,
    })
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 100, noNaN: true }), gaps, (rate, millis) => {
        const run = createRun(rate)
        for (const gap of millis) {
          run.pass(gap)
          run.arrive()
        }
        const saved = Math.max(2, rate / 2)
        const times = run.sampledAtMillis
        for (const [first, from] of times.entries()) {
          for (const [last, to] of times.entries()) {
            if (last < first) continue
            ok(last - first + 1 <= saved + ((to - from) / 1_000) * rate + 1e-6)
          }
        }
      }),
    )
  })

  it('samples the first trace of a process', () => {
    const run = createRun(0.01)
    run.arrive()
    run.arrive()
    equal(run.sampledAtMillis.length, 1)
  })

  it('says what it is', () => {
    equal(String(new RateLimitingSampler(2.5)), 'RateLimitingSampler{2.5}')
  })
})
