import { deepEqual, equal } from 'node:assert/strict'
import { dropPassengers, requestAttributes } from './incoming-request.ts'

const pathOf = (url: string) => requestAttributes({ url })['url.path']

describe('what telemetry keeps of a request', () => {
  it('is the path, without the query', () => {
    equal(pathOf('/checkouts?email=ada@example.com'), '/checkouts')
    equal(
      pathOf('/checkouts/5f0e9f5a-5b1e-4a53-9f6f-7f6a1f0d9a01/events'),
      '/checkouts/5f0e9f5a-5b1e-4a53-9f6f-7f6a1f0d9a01/events',
    )
    equal(pathOf('/'), '/')
  })

  it('has a star where a segment may be anything', () => {
    equal(pathOf('/checkouts/ada@example.com/events'), '/checkouts/*/events')
    equal(pathOf('/Ada%20Lovelace'), '/*')
  })

  it('has neither query nor what comes from headers, whatever the instrumentation would write', () => {
    const { 'url.path': path, ...others } = requestAttributes({ url: '/?a=b' })
    equal(path, '/')
    deepEqual(Object.entries(others), [
      ['url.query', undefined],
      ['user_agent.original', undefined],
      ['client.address', undefined],
      ['server.address', undefined],
    ])
  })

  it('goes on in its trace, without tracestate and baggage', () => {
    const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
    const headers = { traceparent, tracestate: 'a=1', baggage: 'email=ada@example.com' }
    dropPassengers({ headers })
    deepEqual(headers, { traceparent })
  })
})
