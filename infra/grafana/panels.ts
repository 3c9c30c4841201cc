/**
 * What the dashboards are written with: questions, and panels that answer them. Everything that a panel needs to
 * be understood is asked for (title, unit, what it means); the rest is the same everywhere.
 */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import * as common from '@grafana/grafana-foundation-sdk/common'
import * as sdk from '@grafana/grafana-foundation-sdk/dashboard'
import * as elasticsearch from '@grafana/grafana-foundation-sdk/elasticsearch'
import * as logs from '@grafana/grafana-foundation-sdk/logs'
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus'
import * as stat from '@grafana/grafana-foundation-sdk/stat'
import * as stateTimeline from '@grafana/grafana-foundation-sdk/statetimeline'
import * as table from '@grafana/grafana-foundation-sdk/table'
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries'

/** The data sources, by the uids that provisioning/datasources gives them. */
export const dataSources = {
  prometheus: { type: 'prometheus', uid: 'prometheus' },
  elasticsearch: { type: 'elasticsearch', uid: 'elasticsearch' },
} as const

export interface Query {
  readonly expr: string
  /** What a line is called, `{{label}}` for a label's value. */
  readonly legend: string
  /** Also shows single traces, where the metric has them: those made from spans have. */
  readonly exemplars?: true
}

interface About {
  readonly title: string
  /** What is seen and how to read it. */
  readonly what: string
  readonly unit: string
}

/** From which value on a panel changes colour. */
export interface Thresholds {
  readonly warning: number
  readonly critical?: number
}

export type Panel = Builder<sdk.Panel>

const columns = 24
const graphHeight = 8
const numberHeight = 4

/** Values over time. `thresholds` are drawn as lines. */
export function graph(
  about: About & {
    readonly queries: readonly Query[]
    readonly stacked?: true
    readonly thresholds?: Thresholds
    readonly span?: number
  },
): Panel {
  const panel = new timeseries.PanelBuilder()
    .title(about.title)
    .description(about.what)
    .unit(about.unit)
    .min(0)
    .span(about.span ?? columns / 2)
    .height(graphHeight)
    .datasource(dataSources.prometheus)
    .targets(about.queries.map(overTime))
    .fillOpacity(about.stacked ? 40 : 8)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(common.LegendDisplayMode.Table)
        .placement(common.LegendPlacement.Right)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    )
  if (about.stacked) {
    panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group('A'))
  }
  if (about.thresholds) {
    panel
      .thresholds(steps(about.thresholds))
      .thresholdsStyle(
        new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Line),
      )
  }
  return panel
}

/** One value, as it is now. */
export function number(
  about: About & {
    readonly expr: string
    readonly thresholds?: Thresholds
    readonly span?: number
    /** What is shown where there is no value. */
    readonly ifNone?: string
  },
): Panel {
  const panel = new stat.PanelBuilder()
    .title(about.title)
    .description(about.what)
    .unit(about.unit)
    .span(about.span ?? columns / 6)
    .height(numberHeight)
    .datasource(dataSources.prometheus)
    .targets([overTime({ expr: about.expr, legend: about.title }, 0)])
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false))
    .graphMode(common.BigValueGraphMode.Area)
    .colorMode(about.thresholds ? common.BigValueColorMode.Background : common.BigValueColorMode.None)
  if (about.thresholds) panel.thresholds(steps(about.thresholds))
  if (about.ifNone !== undefined) panel.noValue(about.ifNone)
  return panel
}

/** A row for each line of the query, filled while there is one and it is 1. */
export function timeline(about: {
  readonly title: string
  readonly what: string
  readonly query: Query
  /** What is shown where there are no lines. */
  readonly ifNone: string
}): Panel {
  return new stateTimeline.PanelBuilder()
    .title(about.title)
    .description(about.what)
    .unit('short')
    .span(columns)
    .height(graphHeight)
    .datasource(dataSources.prometheus)
    .targets([overTime(about.query, 0)])
    .mappings([
      { type: sdk.MappingType.ValueToText, options: { '1': { text: 'runs', color: 'blue', index: 0 } } },
    ])
    .noValue(about.ifNone)
    .mergeValues(true)
    .showValue(common.VisibilityMode.Never)
    .rowHeight(0.8)
    .legend(new common.VizLegendOptionsBuilder().showLegend(false))
}

/** A row for each combination of labels, a column for each query, as things are now; units by column. */
export function rows(about: {
  readonly title: string
  readonly what: string
  readonly columns: Readonly<Record<string, { readonly expr: string; readonly unit: string }>>
  readonly labels: Readonly<Record<string, string>>
}): Panel {
  const queries = Object.entries(about.columns)
  const panel = new table.PanelBuilder()
    .title(about.title)
    .description(about.what)
    .unit('short')
    .span(columns)
    .height(graphHeight)
    .datasource(dataSources.prometheus)
    .targets(
      queries.map(([, { expr }], index) =>
        new prometheus.DataqueryBuilder()
          .datasource(dataSources.prometheus)
          .expr(expr)
          .instant()
          .format(prometheus.PromQueryFormat.Table)
          .refId(refId(index)),
      ),
    )
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: { Time: true },
        renameByName: {
          ...about.labels,
          ...Object.fromEntries(queries.map(([name], index) => [`Value #${refId(index)}`, name])),
        },
      },
    })
  for (const [name, { unit }] of queries) panel.overrideByName(name, [{ id: 'unit', value: unit }])
  return panel
}

/** Log lines that fit a Lucene query. */
export function logLines(about: {
  readonly title: string
  readonly what: string
  readonly query: string
}): Panel {
  return new logs.PanelBuilder()
    .title(about.title)
    .description(about.what)
    .unit('short')
    .span(columns)
    .height(graphHeight)
    .datasource(dataSources.elasticsearch)
    .targets([
      new elasticsearch.DataqueryBuilder()
        .datasource(dataSources.elasticsearch)
        .refId(refId(0))
        .query(about.query)
        .timeField('@timestamp')
        .metrics([new elasticsearch.LogsBuilder().id('1').settings({ limit: '200' })]),
    ])
    .showTime(true)
    .enableLogDetails(true)
    .sortOrder(common.LogsSortOrder.Descending)
}

const refId = (index: number): string => String.fromCharCode('A'.charCodeAt(0) + index)

function overTime({ expr, legend, exemplars }: Query, index: number): Builder<prometheus.Dataquery> {
  const query = new prometheus.DataqueryBuilder()
    .datasource(dataSources.prometheus)
    .expr(expr)
    .legendFormat(legend)
    .range()
    .refId(refId(index))
  return exemplars ? query.exemplar(true) : query
}

function steps({ warning, critical }: Thresholds): sdk.ThresholdsConfigBuilder {
  return new sdk.ThresholdsConfigBuilder()
    .mode(sdk.ThresholdsMode.Absolute)
    .steps([
      { value: null, color: 'green' },
      { value: warning, color: 'orange' },
      ...(critical === undefined ? [] : [{ value: critical, color: 'red' }]),
    ])
}

/** A variable of which people choose one value, several, or all. */
export const choice = (name: string, label: string, query: string): Builder<sdk.VariableModel> =>
  new sdk.QueryVariableBuilder(name)
    .label(label)
    .datasource(dataSources.prometheus)
    .query(query)
    .refresh(sdk.VariableRefresh.OnTimeRangeChanged)
    .sort(sdk.VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .current({ text: 'All', value: '$__all', selected: true })

/** Times that are marked in all of a dashboard's graphs: while the query has a value above 0. */
export interface Marks {
  readonly name: string
  readonly expr: string
  readonly title: string
  readonly text: string
  readonly colour: string
}

export interface DashboardDefinition {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly variables?: readonly Builder<sdk.VariableModel>[]
  /** Besides the alerts, which all of them mark. */
  readonly marks?: readonly Marks[]
  /** A row for each question, with the panels that answer it. */
  readonly questions: Readonly<Record<string, readonly Panel[]>>
}

/* The classic model. Grafana also knows a newer one, for which the SDK calls this one deprecated, but it is this
   one that every Grafana in use reads from a file. */
/* eslint-disable @typescript-eslint/no-deprecated */
export type Dashboard = sdk.Dashboard

const alerts: Marks = {
  name: 'Alerts',
  expr: 'ALERTS{alertstate="firing"}',
  title: '{{alertname}}',
  text: '{{severity}}',
  colour: 'red',
}

const annotation = ({ name, expr, title, text, colour }: Marks) =>
  new sdk.AnnotationQueryBuilder()
    .name(name)
    .datasource(dataSources.prometheus)
    .enable(true)
    .iconColor(colour)
    .expr(expr)
    .titleFormat(title)
    .textFormat(text)

export function dashboard(definition: DashboardDefinition): Dashboard {
  const builder = new sdk.DashboardBuilder(definition.title)
    .uid(definition.uid)
    .description(definition.description)
    .tags(['sagascope'])
    .readonly()
    .tooltip(sdk.DashboardCursorSync.Crosshair)
    .time({ from: 'now-15m', to: 'now' })
    .refresh('10s')
    .link(
      new sdk.DashboardLinkBuilder('Sagascope')
        .type(sdk.DashboardLinkType.Dashboards)
        .tags(['sagascope'])
        .keepTime(true),
    )
  for (const marks of [alerts, ...(definition.marks ?? [])]) builder.annotation(annotation(marks))
  for (const variable of definition.variables ?? []) builder.withVariable(variable)
  for (const [question, panels] of Object.entries(definition.questions)) {
    builder.withRow(new sdk.RowBuilder(question))
    for (const panel of panels) builder.withPanel(panel)
  }
  const built = builder.build()
  for (const [index, panel] of (built.panels ?? []).entries()) panel.id = index + 1
  return built
}
/* eslint-enable @typescript-eslint/no-deprecated */

/** A quantile of a histogram, over the interval that fits the picture. */
export const quantile = (share: number, bucket: string, by: string): string =>
  `histogram_quantile(${share}, sum by (${by === '' ? 'le' : `${by}, le`}) (rate(${bucket}[$__rate_interval])))`

/** Median, 95th and 99th percentile as three lines. */
export const percentiles = (bucket: string): Query[] =>
  ([0.5, 0.95, 0.99] as const).map((share) => ({
    expr: quantile(share, bucket, ''),
    legend: `p${share * 100}`,
  }))
