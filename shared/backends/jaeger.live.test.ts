import { deepEqual, equal } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Stack } from '../../infra/native/open-stack.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { services } from '../saga/events.ts'
import { fetchTrace, findTraceIds } from './jaeger.ts'

describe('a trace in Jaeger', function () {
  this.timeout(15 * 60_000) // the first time, the servers are built

  let stack: Stack
  before(async () => {
    stack = await stackForTests()
    await Promise.all((['collector', 'jaeger'] as const).map((name) => stack.ready(name)))
  })

  const hex = (bytes: number): string => randomBytes(bytes).toString('hex')
  const sagaId = hex(8)
  const traceIds = Array.from({ length: 30 }, () => hex(16))
  /** In an order that is not theirs when sorted, and each with its name for a value. */
  const names = ['z', 'm', 'a', 'y', 'n', 'b', 'x', 'o', 'c', 'w', 'p', 'd']
  const text = (key: string, value = key) => ({ key, value: { stringValue: value } })
  const startMillis = Date.now()
  const spansOf = (traceId: string) =>
    Array.from({ length: 8 }, () => ({
      traceId,
      spanId: hex(8),
      name: 'process orders',
      kind: 5,
      startTimeUnixNano: `${startMillis}000000`,
      endTimeUnixNano: `${startMillis + 1}000000`,
      attributes: [...names.map((name) => text(name)), text('saga.id', sagaId)],
    }))

  it('is the same for all who ask for it at the same time, and afterwards', async () => {
    const response = await fetch(`${stack.urls.otlpHttpUrl}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        resourceSpans: services.map((service) => ({
          resource: { attributes: [...names.map((name) => text(name)), text('service.name', service)] },
          scopeSpans: [{ spans: traceIds.flatMap(spansOf) }],
        })),
      }),
    })
    equal(response.status, 200)
    // Found, and not yet read by anybody.
    await eventually('all traces in Jaeger', async () => {
      const found = await Promise.all(
        services.map((service) =>
          findTraceIds(stack.urls.jaegerUrl, { service, attributes: { 'saga.id': sagaId } }),
        ),
      )
      return found.every(({ length }) => length === traceIds.length) ? true : undefined
    })
    const whole = { ...Object.fromEntries(names.map((name) => [name, name])), 'saga.id': sagaId }
    for (const traceId of traceIds) {
      const asking = Array.from({ length: 15 }, () => fetchTrace(stack.urls.jaegerUrl, traceId))
      const answers = [...(await Promise.all(asking)), await fetchTrace(stack.urls.jaegerUrl, traceId)]
      for (const spans of answers) {
        const seen = spans?.map(({ service }) => service) ?? []
        deepEqual(seen.toSorted(), services.flatMap((service) => Array<string>(8).fill(service)).sort())
        for (const { attributes } of spans ?? []) deepEqual(attributes, whole)
      }
    }
  })
})
