/** Whether the gateway runs, and whether it can do its work: it can without Kafka, and not without the store. */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { KafkaState } from './background-producer.ts'

export const livenessView = z.strictObject({ status: z.literal('alive') })

export const readinessView = z.strictObject({
  status: z.enum(['ready', 'not ready']),
  store: z.enum(['reachable', 'unreachable']),
  kafka: z.enum(['connecting', 'connected', 'unreachable']).meta({
    description: 'For information: what is accepted while Kafka is away is published when it returns',
  }),
  draining: z.boolean(),
})
export type Readiness = z.infer<typeof readinessView>

export const isProbe = (path: unknown): boolean => path === '/healthz' || path === '/readyz'

export interface Probed {
  readonly ping: () => Promise<void>
  readonly kafkaState: () => KafkaState
  readonly draining: AbortSignal
}

/** A prober gives up after a second or so, and an answer after that reaches nobody. */
const pingDeadlineMillis = 1_000

/** Asks once for all who ask at the same time: probes are not limited, and a store that hangs keeps every ping. */
export function readinessProbe(probed: Probed): () => Promise<Readiness> {
  let asking: Promise<Readiness> | undefined
  return () => {
    asking ??= readinessOf(probed).finally(() => {
      asking = undefined
    })
    return asking
  }
}

export async function readinessOf({ ping, kafkaState, draining }: Probed): Promise<Readiness> {
  const store = (await answersInTime(ping)) ? 'reachable' : 'unreachable'
  return {
    status: store === 'reachable' && !draining.aborted ? 'ready' : 'not ready',
    store,
    kafka: kafkaState(),
    draining: draining.aborted,
  }
}

async function answersInTime(ping: () => Promise<void>): Promise<boolean> {
  const answered = ping().then(
    () => true,
    () => false,
  )
  return Promise.race([answered, delay(pingDeadlineMillis, false, { ref: false })])
}
