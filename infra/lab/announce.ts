/**
 * Tells the dashboards which arm of the lab runs, and what it has measured: as metrics, by OTLP to the Collector, from
 * where Prometheus has them like any others. The lab's own figures are in its result; whoever watches a run needs these.
 */
import type { Sample } from './lab-result.ts'
import { wireBytesPerCheckout } from './lab-result.ts'

/** Gauges, by the names that Prometheus gives them. `lab_arm` is 1 while an arm runs, and 0 from when it has ended. */
export const labGauges = {
  arm: 'lab_arm',
  throughput: 'lab_checkouts_per_second',
  cpuPerCheckout: 'lab_cpu_per_checkout_seconds',
  duration: 'lab_checkout_duration_seconds',
  wirePerCheckout: 'lab_telemetry_per_checkout_bytes',
  memory: 'lab_memory_bytes',
} as const

export type LabPhase = 'warm-up' | 'saturation' | 'half load'

export interface Announcer {
  /** What runs from now on, until the next begins or the end. */
  begin(arm: string, phase: LabPhase): void
  /** Nothing runs any more. */
  end(): void
  measured(arm: string, sample: Sample): void
  /** Ends what runs, and resolves when all has been told. */
  close(): Promise<void>
}

export interface AnnouncerOptions {
  /** Told once, when the first announcement fails: the lab goes on, and the dashboards do not show it. */
  readonly onFailure?: (error: Error) => void
  /** The Collector forgets what is not repeated: `metric_expiration` in collector.yaml. */
  readonly repeatMillis?: number
}

interface Point {
  readonly name: string
  readonly unit?: 's' | 'By'
  readonly value: number
  readonly attributes: Readonly<Record<string, string>>
}

const timeoutMillis = 2_000

/**
 * What a process of an arm says of itself, for OTEL_RESOURCE_ATTRIBUTES: its spans and log lines are found by it in
 * Jaeger and Kibana, its metrics by `target_info`.
 */
export const armResourceAttributes = (arm: string): string =>
  `sagascope.lab.arm=${encodeURIComponent(arm)},deployment.environment.name=lab`

/** Nothing here is waited for, throws or rejects: no measurement depends on being announced. */
export function announceTo(
  otlpHttpUrl: string,
  { onFailure, repeatMillis = 60_000 }: AnnouncerOptions = {},
): Announcer {
  let told = Promise.resolve()
  let hasFailed = false
  let running: Point | undefined

  const tell = (points: readonly Point[]): void => {
    if (points.length === 0) return
    // One after the other, or an arm's end could overtake its beginning.
    told = told
      .then(() => post(otlpHttpUrl, points))
      .catch((error: unknown) => {
        if (!hasFailed) onFailure?.(error instanceof Error ? error : new Error(String(error)))
        hasFailed = true
      })
  }
  const runs = (next: Point | undefined): void => {
    const ended = running && [{ ...running, value: 0 }]
    running = next
    tell([...(ended ?? []), ...(next ? [next] : [])])
  }
  const repeating = setInterval(() => tell(running ? [running] : []), repeatMillis)
  repeating.unref()

  return {
    begin: (arm, phase) => runs({ name: 'lab.arm', value: 1, attributes: { arm, phase } }),
    end: () => runs(undefined),
    measured: (arm, sample) => tell(figuresOf(arm, sample)),
    close() {
      clearInterval(repeating)
      runs(undefined)
      return told
    },
  }
}

/** Throughput and processor time at saturation, the duration at half load, resident memory at the end. */
function figuresOf(arm: string, sample: Sample): Point[] {
  const { saturation, halfLoad, rssBytes } = sample
  const { checkoutsPerSecond, cpuMillisPerCheckout } = saturation
  const quantiles = Object.entries({ 0.5: halfLoad.toEndMillis.p50, 0.99: halfLoad.toEndMillis.p99 })
  return [
    { name: 'lab.checkouts_per_second', value: checkoutsPerSecond, attributes: { arm } },
    ...Object.entries(cpuMillisPerCheckout).map(([part, millis]): Point => {
      return { name: 'lab.cpu_per_checkout', unit: 's', value: millis / 1_000, attributes: { arm, part } }
    }),
    ...quantiles.map(([quantile, millis]): Point => {
      const attributes = { arm, quantile }
      return { name: 'lab.checkout_duration', unit: 's', value: millis / 1_000, attributes }
    }),
    {
      name: 'lab.telemetry_per_checkout',
      unit: 'By',
      value: wireBytesPerCheckout(sample) ?? 0,
      attributes: { arm },
    },
    ...Object.entries(rssBytes).map(([part, value]): Point => {
      return { name: 'lab.memory', unit: 'By', value, attributes: { arm, part } }
    }),
  ]
}

async function post(otlpHttpUrl: string, points: readonly Point[]): Promise<void> {
  const response = await fetch(new URL('/v1/metrics', otlpHttpUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(asOtlp(points)),
    signal: AbortSignal.timeout(timeoutMillis),
  })
  if (!response.ok) throw new Error(`the Collector answers ${response.status}: ${await response.text()}`)
}

/** https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
function asOtlp(points: readonly Point[]) {
  const timeUnixNano = `${Date.now()}000000`
  const attributesOf = (attributes: Point['attributes']) =>
    Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }))
  const resource = {
    attributes: attributesOf({
      'service.namespace': 'sagascope',
      'service.name': 'lab',
      'deployment.environment.name': 'lab',
    }),
  }
  const metrics = points.map(({ name, unit = '', value, attributes }) => ({
    name,
    unit,
    gauge: { dataPoints: [{ timeUnixNano, asDouble: value, attributes: attributesOf(attributes) }] },
  }))
  return { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: 'sagascope.lab' }, metrics }] }] }
}
