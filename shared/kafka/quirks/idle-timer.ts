/**
 * kafkajs 2.2.4 wakes every connection each millisecond to look at an empty queue (issue #1751), with a
 * negative timeout that Node 24 warns about. Look only when something waits.
 */
import { createRequire } from 'node:module'

interface RequestQueue {
  pending: unknown[]
  throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
}

// A private module of kafkajs: the version is pinned, and the test would notice if it changed.
const requestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
  prototype: { scheduleCheckPendingRequests(this: RequestQueue): void }
}

const shortestWaitMillis = 10

requestQueue.prototype.scheduleCheckPendingRequests = function () {
  if (this.pending.length === 0 || this.throttleCheckTimeoutId) return
  const waitMillis = Math.max(shortestWaitMillis, this.throttledUntil - Date.now())
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null
    this.checkPendingRequests()
  }, waitMillis)
}
