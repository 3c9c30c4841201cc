import { deepEqual, equal, ok } from 'node:assert/strict'
import { createSampler } from './samplers.ts'

const rootOf = (name?: string, argument?: number): string | undefined =>
  /root=([^{,}]*(?:\{[^}]*\})?)/.exec(String(createSampler(name, argument)))?.[1]

describe('the sampler by name', () => {
  it('follows the parent and decides for roots as it is told', () => {
    equal(rootOf(), 'AlwaysOnSampler')
    equal(rootOf('parentbased_always_off'), 'AlwaysOffSampler')
    equal(rootOf('parentbased_traceidratio', 0.5), 'TraceIdRatioBased{0.5}')
    equal(rootOf('parentbased_consistent_probability', 0.5), 'ConsistentProbabilitySampler{0.5}')
    equal(rootOf('parentbased_rate_limiting', 20), 'RateLimitingSampler{20}')
  })

  it('keeps every trace without an argument, or 100 a second', () => {
    equal(rootOf('parentbased_traceidratio'), 'TraceIdRatioBased{1}')
    equal(rootOf('parentbased_consistent_probability'), 'ConsistentProbabilitySampler{1}')
    equal(rootOf('parentbased_rate_limiting'), 'RateLimitingSampler{100}')
  })

  it('follows a linked producer where hops are links', () => {
    ok(
      String(createSampler('parentbased_rate_limiting', 20, true)).includes(
        'LikeItsProducer{RateLimitingSampler{20}}',
      ),
    )
  })

  it('is the SDK’s own where it follows nobody', () => {
    deepEqual(
      ['always_on', 'always_off', 'traceidratio', 'unheard of'].map((name) => createSampler(name)),
      [undefined, undefined, undefined, undefined],
    )
  })
})
