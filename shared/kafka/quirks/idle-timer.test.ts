import { deepEqual, equal } from 'node:assert/strict'
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import './idle-timer.ts'

interface Request {
  readonly entry: { readonly correlationId: number }
  readonly expectResponse: boolean
  readonly sendRequest: () => void
}

interface Queue {
  readonly throttleCheckTimeoutId: NodeJS.Timeout | null
  push(request: Request): void
  fulfillRequest(response: { correlationId: number; size: number; payload: Buffer }): void
  maybeThrottle(millis: number): void
  checkPendingRequests(): void
  destroy(): void
}

const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (
  options: object,
) => Queue

describe('the queue of a connection of kafkajs', () => {
  let queue: Queue
  let sent: number[]

  beforeEach(() => {
    sent = []
    const logger = { debug: () => undefined, warn: () => undefined }
    queue = new RequestQueue({ maxInFlightRequests: 1, requestTimeout: 10_000, logger })
  })
  afterEach(() => {
    queue.destroy()
  })

  const push = (correlationId: number): void => {
    queue.push({
      entry: { correlationId, ...ignored },
      expectResponse: true,
      sendRequest: () => sent.push(correlationId),
    })
  }
  const ignored = { resolve: () => undefined, reject: () => undefined }
  const answer = (correlationId: number): void => {
    queue.fulfillRequest({ correlationId, size: 0, payload: Buffer.alloc(0) })
  }

  it('has no timer while nothing waits in it', () => {
    queue.checkPendingRequests()
    equal(queue.throttleCheckTimeoutId, null)
    push(1)
    answer(1)
    deepEqual(sent, [1])
    equal(queue.throttleCheckTimeoutId, null)
  })

  it('sends what waits once the one before it is answered', () => {
    push(1)
    push(2)
    deepEqual(sent, [1])
    answer(1)
    deepEqual(sent, [1, 2])
  })

  it('sends what waits once the broker no longer throttles, and has no timer then', async () => {
    queue.maybeThrottle(50)
    push(1)
    deepEqual(sent, [])
    while (sent.length === 0) await delay(5)
    equal(queue.throttleCheckTimeoutId, null)
  })
})
