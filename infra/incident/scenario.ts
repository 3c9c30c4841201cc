/** What an incident is made of: data, and the few functions that break something and mend it. */
import type { Exemplar, Sample } from '../../shared/backends/prometheus.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import type { KafkaConnection } from '../../shared/kafka/kafka.ts'
import type { Stack } from '../native/open-stack.ts'
import type { Stop } from '../native/run-until-stopped.ts'
import type { PanelName } from './dashboard-panel.ts'
import type { Deployment } from './deployment.ts'
import type { Expected } from './guilty-span.ts'

/** What a scenario works with once everything runs. */
export interface Running {
  readonly stack: Stack
  readonly gatewayUrl: string
  readonly deployment: Deployment
  readonly kafka: KafkaConnection
  /** Of a process that is pointed at the stack as a service is. */
  readonly environment: NodeJS.ProcessEnv
  readonly onStop: (stop: Stop) => void
}

/** What is known when somebody looks further. Times since the epoch. */
export interface Findings {
  readonly faultAtMillis: number
  readonly alertLabels: Readonly<Record<string, string>>
  /** What each of the panels shows highest, in their order. */
  readonly lines: readonly (Sample | undefined)[]
  readonly exemplar: Exemplar
  readonly trace: readonly TraceSpan[]
}

export interface Fault {
  /** @returns what was done, for the timeline */
  inject(running: Running): Promise<string>
  /** @returns what was done */
  fix(running: Running): Promise<string>
}

export interface Scenario {
  readonly name: string
  /** What goes wrong, in a sentence. */
  readonly what: string
  /** What has to be known of how it is set up, if anything. */
  readonly note?: string
  /** By its name in infra/prometheus/rules. */
  readonly alert: string
  /** Where the dashboards show it; what is highest there must at least double. */
  readonly panels: readonly PanelName[]
  /** The panel beside whose lines single traces are, and what is chosen on it. */
  readonly exemplars: {
    readonly panel: PanelName
    /** Labels by which a person would narrow it down, from the alert and the panels. */
    readonly narrowedTo?: (found: Omit<Findings, 'exemplar' | 'trace'>) => Readonly<Record<string, string>>
    /** They are opened, the highest first, until one tells something; any does unless told. */
    readonly isTelling?: (trace: readonly TraceSpan[]) => boolean
  }
  /** Which of the traces since the fault are compared with those before. */
  readonly affected: (trace: readonly TraceSpan[]) => boolean
  /** What the comparison should come to; it is not told. */
  readonly expected: Expected
  /** @returns what else is found, a sentence each; none when what should be there is not */
  readonly lookFurther?: (running: Running, found: Findings) => Promise<readonly string[]>
  /** Opens what the fault is injected through, and says what the services' environment is with it. */
  prepare(
    stack: Stack,
    onStop: (stop: Stop) => void,
  ): Promise<Fault & { readonly environment: NodeJS.ProcessEnv }>
}

/** True for a checkout that is at its end. */
export const hasEnded = (trace: readonly TraceSpan[]): boolean =>
  trace.some(({ service, kind }) => service === 'checkout' && kind === 'producer')

export const lengthMillisOf = (trace: readonly TraceSpan[]): number => {
  const starts = trace.map(({ startMicros }) => startMicros)
  const ends = trace.map(({ startMicros, durationMicros }) => startMicros + durationMicros)
  return (Math.max(...ends) - Math.min(...starts)) / 1_000
}

/** The bound of the alert CheckoutsSlow. */
export const slowMillis = 5_000

export const isSlow = (trace: readonly TraceSpan[]): boolean =>
  hasEnded(trace) && lengthMillisOf(trace) > slowMillis

/** The stack's store by another way. */
export const storeThrough = ({ urls, ports }: Pick<Stack, 'urls' | 'ports'>, port: number): string =>
  urls.mongodbUrl.replace(`:${ports.mongodb}`, `:${port}`)
