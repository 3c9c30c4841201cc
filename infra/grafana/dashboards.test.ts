import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { format, resolveConfig } from 'prettier'
import { parse } from 'yaml'
import { z } from 'zod'
import { dashboardFolder, dashboards } from './dashboards.ts'

/** What Grafana needs of a dashboard in a file, and what people need of a panel. */
const sourced = { datasource: z.object({ type: z.string(), uid: z.string() }), refId: z.string().min(1) }
const target = z.union([
  z.object({ ...sourced, expr: z.string().min(1), legendFormat: z.string().min(1).optional() }),
  z.object({ ...sourced, query: z.string().min(1), timeField: z.string() }),
])
const gridPos = z.object({
  x: z.int().min(0).max(23),
  y: z.int().min(0),
  w: z.int().min(1).max(24),
  h: z.int().min(1),
})
const row = z.object({ type: z.literal('row'), id: z.int(), title: z.string().endsWith('?'), gridPos })
const panel = z.object({
  type: z.enum(['timeseries', 'state-timeline', 'stat', 'table', 'logs']),
  id: z.int().positive(),
  title: z.string().min(1),
  description: z.string().min(1),
  gridPos,
  datasource: sourced.datasource,
  fieldConfig: z.object({ defaults: z.object({ unit: z.string().min(1) }) }),
  targets: z.array(target).min(1),
})
const dashboardFile = z.object({
  uid: z.string().max(40),
  title: z.string().min(1),
  schemaVersion: z.int().min(36),
  time: z.object({ from: z.string(), to: z.string() }),
  templating: z.object({ list: z.array(z.object({ name: z.string() })).optional() }),
  panels: z.array(z.union([row, panel])).min(1),
})
type DashboardFile = z.infer<typeof dashboardFile>

interface DataSources {
  readonly datasources: readonly { readonly uid: string; readonly type: string; readonly jsonData: object }[]
}

const here = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')

describe('the dashboards', () => {
  const files = new Map<string, DashboardFile>()
  before(async () => {
    for (const file of await readdir(dashboardFolder)) {
      files.set(file, dashboardFile.parse(JSON.parse(await readFile(new URL(file, dashboardFolder), 'utf8'))))
    }
  })

  it('are written from their definitions, and nothing else lies beside them', async () => {
    deepEqual([...files.keys()].sort(), Object.keys(dashboards).sort())
    for (const [file, dashboard] of Object.entries(dashboards)) {
      const url = new URL(file, dashboardFolder)
      const text = await format(JSON.stringify(dashboard), { ...(await resolveConfig(url)), parser: 'json' })
      equal(await readFile(url, 'utf8'), text, 'write them anew: node infra/grafana/write-dashboards.ts')
    }
  })

  it('have unique names, and panels with unique ids that do not overlap', () => {
    const dashboardsFound = [...files.values()]
    for (const name of ['uid', 'title'] as const) {
      equal(new Set(dashboardsFound.map((dashboard) => dashboard[name])).size, files.size)
    }
    for (const { title, panels } of dashboardsFound) {
      equal(new Set(panels.map(({ id }) => id)).size, panels.length, title)
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, index) => `${x + (index % w)}/${y + Math.floor(index / w)}`),
      )
      equal(new Set(cells).size, cells.length, `${title}: panels overlap`)
    }
  })

  it('ask a question in each row and answer it with at least one panel', () => {
    for (const { title, panels } of files.values()) {
      equal(panels[0]?.type, 'row', title)
      for (const [index, { type, title: question }] of panels.entries()) {
        if (type === 'row') ok(panels[index + 1] !== undefined && panels[index + 1]?.type !== 'row', question)
      }
    }
  })

  it('use no data source, and no variable, that there is not', async () => {
    const { datasources } = parse(await here('provisioning/datasources/sagascope.yaml')) as DataSources
    const known = new Set(datasources.map(({ uid, type }) => `${type}/${uid}`))
    for (const { title, panels, templating } of files.values()) {
      const variables = new Set(templating.list?.map(({ name }) => name))
      for (const each of panels) {
        if (each.type === 'row') continue
        for (const { datasource, ...query } of each.targets) {
          ok(known.has(`${datasource.type}/${datasource.uid}`), `${title}: ${each.title}`)
          const text = 'expr' in query ? query.expr : query.query
          for (const [, name] of text.matchAll(/\$\{?(\w+)/g)) {
            ok(name?.startsWith('__') || variables.has(name ?? ''), `${title}: ${each.title}: $${name}`)
          }
        }
      }
    }
  })

  it('say something that can be told apart in every legend', () => {
    for (const { title, panels } of files.values()) {
      for (const each of panels) {
        if (each.type !== 'timeseries') continue
        for (const query of each.targets) {
          if (!('expr' in query)) continue
          // What a query groups by must be in its legend.
          const by = /^(?:sum|max|topk\(\d+, max) by \(([^)]*)\)/.exec(query.expr)?.[1]?.split(', ') ?? []
          for (const label of by)
            ok(query.legendFormat?.includes(`{{${label}}}`), `${title}: ${each.title}: ${label}`)
        }
      }
    }
  })
})

describe('the data sources', () => {
  interface Linked {
    readonly exemplarTraceIdDestinations?: readonly {
      readonly name: string
      readonly datasourceUid: string
    }[]
    readonly tracesToLogsV2?: { readonly datasourceUid: string; readonly query: string }
    readonly tracesToMetrics?: {
      readonly datasourceUid: string
      readonly queries: readonly { query: string }[]
    }
    readonly dataLinks?: readonly {
      readonly field: string
      readonly datasourceUid: string
      readonly url: string
    }[]
  }
  let text: string
  let byUid: ReadonlyMap<string, Linked>
  before(async () => {
    text = await here('provisioning/datasources/sagascope.yaml')
    const { datasources } = parse(text) as DataSources
    byUid = new Map(datasources.map(({ uid, jsonData }) => [uid, jsonData]))
  })

  it('lead from metrics to traces, from traces to logs and metrics, and from logs to traces', () => {
    deepEqual(byUid.get('prometheus')?.exemplarTraceIdDestinations?.[0]?.datasourceUid, 'jaeger')
    const jaeger = byUid.get('jaeger')
    equal(jaeger?.tracesToLogsV2?.datasourceUid, 'elasticsearch')
    match(jaeger.tracesToLogsV2.query, /trace_id:.* OR attributes\.saga\.id:/)
    equal(jaeger.tracesToMetrics?.datasourceUid, 'prometheus')
    deepEqual(
      byUid.get('elasticsearch')?.dataLinks?.map(({ field, datasourceUid }) => [field, datasourceUid]),
      [['trace_id', 'jaeger']],
    )
  })

  it('take nothing but addresses from the environment: Grafana’s own variables are escaped', () => {
    // Grafana replaces $NAME and ${NAME}; $$ is a dollar sign.
    const settings = text.replaceAll(/^\s*#.*$/gm, '').replaceAll('$$', '')
    const names = [...settings.matchAll(/\$\{?(\w+)\}?/g)].map(([, name]) => name)
    deepEqual(names, ['PROMETHEUS_URL', 'JAEGER_URL', 'ELASTICSEARCH_URL'])
  })
})
