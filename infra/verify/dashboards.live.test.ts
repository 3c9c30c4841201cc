import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { dashboardFolder, dashboards } from '../grafana/dashboards.ts'
import type { Announcer } from '../lab/announce.ts'
import { announceTo } from '../lab/announce.ts'
import { madeUpResult } from '../lab/report/lab-result-for-tests.ts'
import type { Stack } from '../native/open-stack.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import { placeCheckout, sampleCheckout } from './checkouts.ts'
import { eventually } from './eventually.ts'
import { kafkaForTests } from './kafka-for-tests.ts'
import { query } from '../../shared/backends/prometheus.ts'
import { readJson } from '../../shared/backends/read-json.ts'
import { stackForTests } from './stack-for-tests.ts'

/** A dashboard as Grafana reads it. */
interface DashboardFile {
  readonly templating: { readonly list?: readonly { readonly name: string; readonly query: string }[] }
  readonly panels: readonly {
    readonly title: string
    readonly targets?: readonly ({ readonly expr: string } | { readonly query: string })[]
  }[]
}

/** What Grafana puts in for its own variables in a graph of 15 minutes; every other is chosen to be All. */
const builtIn: Readonly<Record<string, string>> = { __rate_interval: '20s', __interval: '5s', __range: '15m' }
const substitute = (text: string, all: string): string =>
  text.replaceAll(/\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g, (_, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? ''
    return builtIn[name] ?? all
  })

describe('the dashboards and alerts on a running system', function () {
  // Where nothing is cached yet, the servers are compiled first.
  this.timeout(20 * 60_000)

  let stack: Stack
  let services: Services
  let load: Promise<void>
  let lab: Announcer
  /** Of earlier files' services that Prometheus has not forgotten yet. */
  let namesBefore: readonly string[]
  const ended = new AbortController()

  before(async () => {
    stack = await stackForTests()
    await stack.allReady
    const before = await query(stack.urls.prometheusUrl, 'count by (service_name) ({service_name!=""})')
    namesBefore = before.map(({ labels }) => labels.service_name ?? '')
    services = await prepareServices(stack)
    await Promise.all(services.names.map((name) => services.up(name)))
    load = placeCheckouts()
    lab = announceLab()
  })
  after(async () => {
    ended.abort()
    await load
    await lab.close()
    await services.down()
  })

  /** A few checkouts of every outcome a second, until the test ends. */
  async function placeCheckouts(): Promise<void> {
    const email = () => `${randomUUID()}@example.com`
    while (!ended.signal.aborted) {
      for (const request of [
        sampleCheckout({ email: email() }),
        sampleCheckout({ email: email(), token: 'tok_flaky' }),
        sampleCheckout({ email: email(), token: 'tok_declined' }),
        sampleCheckout({ email: email(), sku: 'SAGA-POSTER' }),
        sampleCheckout({ email: `${randomUUID()}@blocked.example` }),
      ]) {
        await placeCheckout(services.gatewayUrl, request)
      }
      await delay(1_000, undefined, { signal: ended.signal }).catch(() => undefined)
    }
  }

  /** As if the lab ran an arm: a dashboard shows it. */
  function announceLab(): Announcer {
    const announcer = announceTo(stack.urls.otlpHttpUrl)
    announcer.begin('all', 'saturation')
    for (const { arm, pairs } of madeUpResult({ pairs: 1 }).comparisons)
      for (const pair of pairs) announcer.measured(arm, pair.arm)
    return announcer
  }

  const hasData = async (promql: string): Promise<boolean> =>
    (await query(stack.urls.prometheusUrl, promql)).some(({ value }) => Number.isFinite(value))

  /** The titles of what has no data, each asked again until it has or the time is over. */
  async function withoutData(
    questions: readonly { readonly title: string; readonly promql: string }[],
  ): Promise<string[]> {
    let open = questions
    await eventually(
      'data for every question',
      async () => {
        const answered = await Promise.all(open.map(({ promql }) => hasData(promql)))
        open = open.filter((_, index) => answered[index] !== true)
        return open.length === 0 || undefined
      },
      { deadlineMillis: 90_000, intervalMillis: 1_000 },
    ).catch((error: unknown) => {
      if (open.length === 0) throw error
    })
    return open.map(({ title, promql }) => `${title}: ${promql}`)
  }

  for (const file of Object.keys(dashboards)) {
    describe(file, () => {
      let dashboard: DashboardFile
      before(async () => {
        dashboard = JSON.parse(await readFile(new URL(file, dashboardFolder), 'utf8')) as DashboardFile
      })

      it('has data in every panel, for every query', async () => {
        const questions = dashboard.panels.flatMap(({ title, targets = [] }) =>
          targets.flatMap((target) =>
            'expr' in target ? [{ title, promql: substitute(target.expr, '.+') }] : [],
          ),
        )
        ok(questions.length > 5)
        deepEqual(await withoutData(questions), [])
      })

      it('asks Elasticsearch only for what it understands', async () => {
        for (const { title, targets = [] } of dashboard.panels) {
          for (const target of targets) {
            if (!('query' in target)) continue
            const body = { query: { query_string: { query: substitute(target.query, '*') } } }
            const url = new URL('/sagascope-logs*/_search', stack.urls.elasticsearchUrl)
            await eventually(`log lines for "${title}"`, async () => {
              const answer = hits.parse(await readJson('Elasticsearch', url, body))
              return answer.hits.total.value > 0 || undefined
            })
          }
        }
      })

      it('offers something to choose for every variable', async () => {
        for (const { name, query: definition } of dashboard.templating.list ?? []) {
          const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
          ok(metric !== undefined && label !== undefined, `${name}: ${definition}`)
          const samples = await query(stack.urls.prometheusUrl, metric)
          const offered = [...new Set(samples.map(({ labels }) => labels[label] ?? ''))]
          const isOurs = (value: string) =>
            services.names.some((each) => each === value) || !namesBefore.includes(value)
          deepEqual(offered.filter(isOurs).sort(), [...services.names].sort())
        }
      })
    })
  }

  it('has exemplars on the metrics made from spans, with the label that leads to the trace', async () => {
    const url = new URL('/api/v1/query_exemplars', stack.urls.prometheusUrl)
    url.searchParams.set('query', 'traces_span_metrics_duration_seconds_bucket{span_kind="SPAN_KIND_SERVER"}')
    url.searchParams.set('start', String(Date.now() / 1_000 - 600))
    url.searchParams.set('end', String(Date.now() / 1_000 + 60))
    await eventually('an exemplar', async () => {
      const { data } = exemplars.parse(await readJson('Prometheus', url))
      return data.some((series) => series.exemplars.some(({ labels }) => labels.trace_id)) || undefined
    })
  })

  it('has loaded and evaluated every rule of the files without an error', async () => {
    const wanted = await rulesOfFiles()
    const loaded = await eventually(
      'all rules evaluated',
      async () => {
        const found = await loadedRules()
        return found.every(({ health }) => health !== 'unknown') ? found : undefined
      },
      { deadlineMillis: 60_000 },
    )
    deepEqual(loaded.map(({ name }) => name).sort(), wanted.sort())
    for (const { name, health, lastError } of loaded) equal(health, 'ok', `${name}: ${lastError}`)
  })

  it('has nothing to wake anybody for', async () => {
    await eventually('no critical alert', async () => {
      const firing = (await loadedRules()).filter(
        ({ state, labels }) => state === 'firing' && labels.severity === 'critical',
      )
      if (firing.length > 0) throw new Error(firing.map(({ name }) => name).join(', '))
      return true
    })
  })

  it('shows a message that nobody can read, and says so', async () => {
    const file = new URL('kafka-and-outbox.json', dashboardFolder)
    const { panels } = JSON.parse(await readFile(file, 'utf8')) as DashboardFile
    const [target] = panels.find(({ title }) => title === 'Dead letters, 1 h')?.targets ?? []
    ok(target !== undefined && 'expr' in target)
    const shown = async () => (await query(stack.urls.prometheusUrl, target.expr))[0]?.value ?? 0
    const before = await shown()
    const kafka = await kafkaForTests(['dead-letters'])
    try {
      const key = randomUUID()
      await kafka.send([{ topic: 'users', key, value: Buffer.from('not an event'), headers: {} }])
      await kafka.untilMessage('the dead letter', (message) => message.key?.toString() === key)
    } finally {
      await kafka.stop()
    }
    await eventually(
      'the dead letter on the dashboard',
      async () => (await shown()) === before + 1 || undefined,
    )
    await eventually('the alert', async () => {
      const alert = (await loadedRules()).find(({ name }) => name === 'DeadLetters')
      return alert?.state === 'firing' || undefined
    })
  })

  async function loadedRules() {
    const url = new URL('/api/v1/rules', stack.urls.prometheusUrl)
    return rulesAnswer.parse(await readJson('Prometheus', url)).data.groups.flatMap(({ rules }) => rules)
  }

  async function rulesOfFiles(): Promise<string[]> {
    const files = ['alerts.yml', 'recording.yml'].map(
      (name) => new URL(`../prometheus/rules/${name}`, import.meta.url),
    )
    const texts = await Promise.all(files.map((url) => readFile(url, 'utf8')))
    return texts.flatMap((text) => {
      const { groups } = parse(text) as { groups: { rules: { alert?: string; record?: string }[] }[] }
      return groups.flatMap(({ rules }) => rules.map(({ alert, record }) => alert ?? record ?? ''))
    })
  }
})

const hits = z.object({ hits: z.object({ total: z.object({ value: z.number() }) }) })

const exemplars = z.object({
  data: z.array(z.object({ exemplars: z.array(z.object({ labels: z.record(z.string(), z.string()) })) })),
})

const rulesAnswer = z.object({
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({
            name: z.string(),
            health: z.string(),
            lastError: z.string().default(''),
            state: z.string().default(''),
            labels: z.record(z.string(), z.string()).default({}),
          }),
        ),
      }),
    ),
  }),
})
