/** Alerts as Prometheus has them, and when each of them began, fired and was over. */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { readJson } from '../../shared/backends/read-json.ts'

const answer = z.object({
  data: z.object({
    alerts: z.array(
      z.object({
        labels: z.record(z.string(), z.string()),
        annotations: z.record(z.string(), z.string()).default({}),
        state: z.string(),
        activeAt: z.string(),
      }),
    ),
  }),
})

export type Alert = z.infer<typeof answer>['data']['alerts'][number]

/** @throws BackendUnavailable */
export async function readAlerts(prometheusUrl: string): Promise<Alert[]> {
  return answer.parse(await readJson('Prometheus', new URL('/api/v1/alerts', prometheusUrl))).data.alerts
}

/** Of all alerts of one name together. Times since the epoch. */
export interface AlertTimes {
  /** When its expression was true first, by Prometheus. */
  readonly pendingAtMillis: number
  /** When it was first seen to fire. */
  firingAtMillis?: number
  resolvedAtMillis?: number
  /** As it was when it began to fire, or last was. */
  alert: Alert
}

const pollMillis = 500

export class AlertWatch {
  readonly #prometheusUrl: string
  readonly #stopping = new AbortController()
  readonly #watching: Promise<void>
  #times = new Map<string, AlertTimes>()

  constructor(prometheusUrl: string) {
    this.#prometheusUrl = prometheusUrl
    this.#watching = this.#watch()
  }

  get times(): ReadonlyMap<string, AlertTimes> {
    return this.#times
  }

  /** Forgets what was, as far as it is over. */
  forget(): void {
    this.#times = new Map(
      [...this.#times].filter(([, { resolvedAtMillis }]) => resolvedAtMillis === undefined),
    )
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#watching
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      // A question that fails is asked again; who waits for an alert has a deadline.
      const alerts = await readAlerts(this.#prometheusUrl).catch(() => undefined)
      if (alerts !== undefined) this.#note(alerts, Date.now())
      await delay(pollMillis, undefined, { signal }).catch(() => undefined)
    }
  }

  #note(alerts: readonly Alert[], now: number): void {
    const byName = Map.groupBy(alerts, ({ labels }) => labels.alertname ?? '')
    for (const [name, [first]] of byName) {
      if (first === undefined) continue
      const firing = byName.get(name)?.find(({ state }) => state === 'firing')
      const known = this.#times.get(name)
      const times =
        known && known.resolvedAtMillis === undefined
          ? known
          : { pendingAtMillis: Date.parse(first.activeAt), alert: first }
      if (firing && times.firingAtMillis === undefined) {
        times.firingAtMillis = now
        times.alert = firing
      }
      this.#times.set(name, times)
    }
    for (const [name, times] of this.#times) {
      if (!byName.has(name)) times.resolvedAtMillis ??= now
    }
  }
}
