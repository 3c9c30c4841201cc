/** A panel of a dashboard, asked as Grafana asks it. */
import { readFileSync } from 'node:fs'
import type { Exemplar, Sample } from '../../shared/backends/prometheus.ts'
import { query, queryExemplars } from '../../shared/backends/prometheus.ts'
import { dashboardFolder } from '../grafana/dashboards.ts'

export interface PanelName {
  /** The file in infra/grafana/dashboards. */
  readonly dashboard: 'saga' | 'services' | 'kafka-and-outbox' | 'telemetry'
  readonly title: string
}

export interface Panel extends PanelName {
  readonly dashboardUid: string
  readonly dashboardTitle: string
  readonly id: number
  readonly unit: string
  readonly queries: readonly { readonly expr: string; readonly exemplar?: boolean }[]
}

interface DashboardFile {
  readonly uid: string
  readonly title: string
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } }
    readonly targets?: Panel['queries']
  }[]
}

/** @throws Error when the dashboard has no panel of that title */
export function findPanel({ dashboard, title }: PanelName): Panel {
  const file = JSON.parse(
    readFileSync(new URL(`${dashboard}.json`, dashboardFolder), 'utf8'),
  ) as DashboardFile
  const panel = file.panels.find((each) => each.title === title && each.targets !== undefined)
  if (!panel) throw new Error(`dashboard ${dashboard} has no panel ${JSON.stringify(title)}`)
  return {
    dashboard,
    title,
    dashboardUid: file.uid,
    dashboardTitle: file.title,
    id: panel.id,
    unit: panel.fieldConfig?.defaults?.unit ?? 'short',
    queries: panel.targets ?? [],
  }
}

/** What Grafana puts in for a graph of 15 minutes; every choice is All unless told. */
const builtIn: Readonly<Record<string, string>> = { __rate_interval: '20s', __interval: '5s', __range: '15m' }

export type Choices = Readonly<Record<string, string>>

export const substitute = (expr: string, choices: Choices = {}): string =>
  expr.replaceAll(
    /\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g,
    (_, braced?: string, bare?: string) =>
      builtIn[braced ?? bare ?? ''] ?? choices[braced ?? bare ?? ''] ?? '.+',
  )

/**
 * The highest of the panel's lines now; undefined where it has none.
 * @throws BackendUnavailable
 */
export async function highestLine(
  prometheusUrl: string,
  panel: Pick<Panel, 'queries'>,
  choices?: Choices,
): Promise<Sample | undefined> {
  const lines = await Promise.all(
    panel.queries.map(({ expr }) => query(prometheusUrl, substitute(expr, choices))),
  )
  return lines
    .flat()
    .filter(({ value }) => Number.isFinite(value))
    .sort((one, other) => other.value - one.value)[0]
}

/**
 * The single traces that the panel shows beside its lines, the highest first.
 * @throws BackendUnavailable
 */
export async function exemplarsOf(
  prometheusUrl: string,
  panel: Pick<Panel, 'queries'>,
  { fromMillis, toMillis }: { readonly fromMillis: number; readonly toMillis: number },
  choices?: Choices,
): Promise<Exemplar[]> {
  const shown = await Promise.all(
    panel.queries
      .filter(({ exemplar }) => exemplar === true)
      .map(({ expr }) =>
        queryExemplars(prometheusUrl, substitute(expr, choices), fromMillis / 1_000, toMillis / 1_000),
      ),
  )
  return shown
    .flat()
    .filter(({ traceId, timeSeconds }) => traceId !== undefined && timeSeconds * 1_000 >= fromMillis)
    .sort((one, other) => other.value - one.value)
}

/** A value in the panel's unit, for people. */
export function inUnit(unit: string, value: number): string {
  switch (unit) {
    case 's':
      return value < 1 ? `${(value * 1_000).toFixed(0)} ms` : `${value.toFixed(1)} s`
    case 'bytes':
      return `${(value / 1_048_576).toFixed(0)} MiB`
    case 'percentunit':
      return `${(value * 100).toFixed(0)} %`
    default:
      return String(Number(value.toFixed(2)))
  }
}
