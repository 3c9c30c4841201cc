/** The payment network answers late: nobody's fault here, and everybody's wait. */
import { startFaultProxy } from '../../chaos/fault-proxy.ts'
import type { Scenario } from '../scenario.ts'
import { isSlow, storeThrough } from '../scenario.ts'

const oneWayMillis = 2_600

export const slowPaymentNetwork: Scenario = {
  name: 'slow-payment-network',
  what: 'The payment network answers after 5.2 s instead of at once.',
  alert: 'CheckoutsSlow',
  panels: [
    { dashboard: 'saga', title: 'Duration, p95' },
    { dashboard: 'saga', title: 'Duration of a step, p95' },
  ],
  exemplars: { panel: { dashboard: 'services', title: 'Calls to others, p95' } },
  affected: isSlow,
  expected: { kind: 'span', services: ['payments'], name: 'capture payment' },
  async prepare(stack, onStop) {
    const proxy = await startFaultProxy({ targetPort: stack.ports.mongodb })
    onStop(() => proxy.close())
    return {
      environment: { PAYMENT_NETWORK_URL: storeThrough(stack, proxy.port) },
      inject() {
        proxy.inject({ kind: 'latency', millis: oneWayMillis })
        return Promise.resolve(`each way between payments and the payment network takes ${oneWayMillis} ms`)
      },
      fix() {
        proxy.inject({ kind: 'none' })
        return Promise.resolve('the payment network is as fast as it was')
      },
    }
  },
}
