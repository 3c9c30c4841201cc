import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { drawFlameGraph } from './flame-graph.ts'
import type { CpuProfile } from './profile.ts'
import { addProfile, emptyFrame, ownerOf } from './profile.ts'

const root = '/repository'

const functionOf = (functionName: string, url: string) => ({
  functionName,
  url,
  scriptId: '0',
  lineNumber: 0,
  columnNumber: 0,
})

/** kafkajs calls telemetry, which has Node write; one sample rests. */
const profile: Pick<CpuProfile, 'nodes' | 'samples' | 'timeDeltas'> = {
  nodes: [
    { id: 1, callFrame: functionOf('(root)', ''), children: [2, 3, 6] },
    { id: 2, callFrame: functionOf('(idle)', '') },
    {
      id: 3,
      callFrame: functionOf('send', 'file:///repository/node_modules/kafkajs/src/producer.js'),
      children: [4],
    },
    {
      id: 4,
      callFrame: functionOf('onEnd', 'file:///repository/shared/telemetry/span-processors.ts'),
      children: [5],
    },
    { id: 5, callFrame: functionOf('write', 'node:net') },
    { id: 6, callFrame: functionOf('(garbage collector)', '') },
  ],
  samples: [2, 3, 4, 5, 6, 2],
  timeDeltas: [10, 1_000, 200, 300, 400, 50],
}

describe('a processor profile', () => {
  it('says whose a function is', () => {
    const owner = (url: string, functionName = 'any') => ownerOf({ functionName, url }, root)
    equal(owner('file:///repository/node_modules/@opentelemetry/api/build/index.js'), '@opentelemetry/api')
    equal(owner('file:///repository/node_modules/a/node_modules/b/index.js'), 'b')
    equal(owner('file:///repository/shared/kafka/kafka.ts'), 'shared/kafka')
    equal(owner('file:///repository/shared/kernel/deep/er.ts'), 'shared/kernel')
    equal(owner('node:internal/timers'), 'node')
    equal(owner(''), 'node')
    equal(owner('', '(garbage collector)'), 'garbage collector')
  })

  it('counts what Node does for those who asked for it, and no rest', () => {
    const frame = emptyFrame('service')
    const byOwner = addProfile(frame, profile, root)
    deepEqual([...byOwner].sort(), [
      ['garbage collector', 50],
      ['kafkajs', 200],
      ['shared/telemetry', 700],
    ])
    equal(frame.micros, 950)
  })

  it('is drawn as a flame graph, telemetry in its own colour and names as text', () => {
    const frame = emptyFrame('<service>')
    addProfile(frame, profile, root)
    const drawn = drawFlameGraph(frame, 'off & on')
    match(drawn, /^<svg [^>]*>/)
    match(drawn, /off &amp; on/)
    match(drawn, /<title>&lt;service&gt;: 100\.00 %<\/title>/)
    match(
      drawn,
      /<title>onEnd \(shared\/telemetry\): 73\.68 %<\/title><rect [^>]*fill="hsl\([12]?\d 80% 62%\)"/,
    )
    ok(!drawn.includes('(idle)'))
  })
})
