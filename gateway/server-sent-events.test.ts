import { strictEqual } from 'node:assert/strict'
import { heartbeat, reconnectAfter, serverSentEvent } from './server-sent-events.ts'

describe('a server-sent event', () => {
  it('carries its id, its name and its data', () => {
    strictEqual(serverSentEvent('step', { a: 1 }, 'x/1'), 'id: x/1\nevent: step\ndata: {"a":1}\n\n')
  })

  it('without an id leaves the last one standing', () => {
    strictEqual(serverSentEvent('end', {}), 'event: end\ndata: {}\n\n')
  })

  it('is not ended by a line break in its data', () => {
    strictEqual(serverSentEvent('step', 'a\n\nevent: end'), 'event: step\ndata: "a\\n\\nevent: end"\n\n')
  })

  it('that is a heartbeat is a comment, which no client reports', () => {
    strictEqual(heartbeat.startsWith(':') && heartbeat.endsWith('\n\n'), true)
  })

  it('tells the client when to come back', () => {
    strictEqual(reconnectAfter(1_000), 'retry: 1000\n\n')
  })
})
