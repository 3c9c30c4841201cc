/** An incident from its first minute to its last: everything is started, broken, found, mended and stopped here. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { distributionOf } from '../../producers/load/latency-histogram.ts'
import type { Latency, LoadResult } from '../../producers/load/load-result.ts'
import type { LoadProgress } from '../../producers/load/run-load.ts'
import { logsOfTrace } from '../../shared/backends/elasticsearch.ts'
import { fetchTrace, findTraceIds } from '../../shared/backends/jaeger.ts'
import type { Sample } from '../../shared/backends/prometheus.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { createLogger } from '../../shared/telemetry/logger.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { compareSets } from '../compare/compare-sets.ts'
import type { SetComparison } from '../compare/compare-sets.ts'
import { openStack } from '../native/open-stack.ts'
import type { Stack } from '../native/open-stack.ts'
import type { Ports } from '../native/ports.ts'
import type { Stop } from '../native/run-until-stopped.ts'
import { serviceEnvironment } from '../native/service-environment.ts'
import { prepareServices } from '../native/services.ts'
import { eventually, NotInTime } from '../verify/eventually.ts'
import type { UserInterfaces } from '../verify/follow-links.ts'
import { linksTo } from '../verify/follow-links.ts'
import { AlertWatch } from './alert-watch.ts'
import { exemplarsOf, findPanel, highestLine, inUnit } from './dashboard-panel.ts'
import type { Panel } from './dashboard-panel.ts'
import { Deployment } from './deployment.ts'
import { agrees, describeRow, guiltyOf } from './guilty-span.ts'
import type {
  IncidentResult,
  Link,
  LinkName,
  PhaseFigures,
  PhaseName,
  TimelineEntry,
} from './incident-result.ts'
import { hasSettled, linkNames, phaseNames, recovery } from './incident-result.ts'
import { PhasedLoad } from './phased-load.ts'
import type { Findings, Running, Scenario } from './scenario.ts'
import { hasEnded, lengthMillisOf, slowMillis } from './scenario.ts'
import { writeShorterRules } from './shorter-rules.ts'

export interface IncidentOptions {
  readonly scenario: Scenario
  readonly ports: Ports
  readonly ratePerSecond: number
  /** By how much Prometheus' windows and waiting times are divided; 1 leaves the rules as they are. */
  readonly speed: number
  /** What runs cold has nothing to tell: so long it is not measured. */
  readonly warmUpMillis: number
  /** How long the load runs before the fault, and after the recovery. */
  readonly steadyMillis: number
  readonly pages: UserInterfaces
}

export interface IncidentTools {
  readonly onStop: (stop: Stop) => void
  /** Each entry of the timeline, as soon as it is known. */
  readonly onEntry: (entry: TimelineEntry) => void
  /** What goes on meanwhile, for a person who waits. */
  readonly progress: (line: string) => void
}

export interface Incident {
  readonly result: IncidentResult
  readonly comparison: SetComparison | undefined
  readonly loads: ReadonlyMap<string, LoadResult>
}

/** A link of the chain was looked for and is not there. */
class LinkBroken extends Error {
  readonly link: LinkName
  constructor(link: LinkName, why: string) {
    super(why)
    this.link = link
  }
}

/** Of the rules as they are: the slowest has its window, waits as long again, and some more. */
const alertDeadlineMillis = 1_200_000
const leastAlertDeadlineMillis = 90_000
const settleMillis = 150_000
const tracesOfEachSet = 60
const tracesLookedAt = 400
const metricExpirationMillis = 300_000

/**
 * @returns what was found, also where a link of the chain was not
 * @throws what starting throws; Error when a server or a service ends by itself
 */
export async function runIncident(options: IncidentOptions, tools: IncidentTools): Promise<Incident> {
  const startedAt = Date.now()
  const { scenario, speed } = options
  const { onStop, progress } = tools
  progress('Starting the servers.')
  const stack = await openIncidentStack(options, onStop)
  await stack.allReady
  const fault = await scenario.prepare(stack, onStop)
  const services = await prepareServices(stack, fault.environment)
  const deployment = new Deployment(services)
  onStop(() => deployment.stop())
  progress('Starting the services.')
  const failure = Promise.race([stack.failed, deployment.failed]).then((error) => {
    throw error
  })
  failure.catch(() => undefined)
  await Promise.race([deployment.deployAll(), failure])

  const kafka = new KafkaConnection(
    { brokers: [stack.urls.kafkaBrokers], clientId: 'incident' },
    createLogger('incident', 'fatal'),
  )
  const running: Running = {
    stack,
    gatewayUrl: services.gatewayUrl,
    deployment,
    kafka,
    environment: { ...process.env, ...serviceEnvironment(stack), OTEL_BSP_SCHEDULE_DELAY: '500' },
    onStop,
  }
  const watch = new AlertWatch(stack.urls.prometheusUrl)
  onStop(() => watch.stop())
  const load = new PhasedLoad({
    gatewayUrl: running.gatewayUrl,
    kafka,
    ratePerSecond: options.ratePerSecond,
    settleMillis,
    onSecond: (phase, seen) => progress(describeProgress(phase, seen)),
  })
  onStop(() => load.stop())
  const drive = new Drive(options, tools, running, fault, watch, load)
  const found = await Promise.race([drive.run(), failure])
  await watch.stop()
  return {
    ...found,
    result: {
      scenario: scenario.name,
      startedAt: new Date(startedAt).toISOString(),
      speed,
      ratePerSecond: options.ratePerSecond,
      ...found.result,
      tookMillis: Date.now() - startedAt,
    },
  }
}

async function openIncidentStack(
  { ports, speed }: IncidentOptions,
  onStop: IncidentTools['onStop'],
): Promise<Stack> {
  if (speed === 1) {
    const stack = await openStack({ ports, alsoReserve: ['gateway'] })
    onStop(() => stack.down())
    return stack
  }
  const configuration = mkdtempSync(join(tmpdir(), 'sagascope-rules-'))
  onStop(() => {
    rmSync(configuration, { recursive: true, force: true })
    return Promise.resolve()
  })
  writeShorterRules(configuration, speed)
  const stack = await openStack({
    ports,
    alsoReserve: ['gateway'],
    prometheus: { configuration },
    collector: {
      overlays: ['../incident/collector-forgets-sooner.yaml'],
      environment: { METRIC_EXPIRATION: `${Math.round(metricExpirationMillis / speed)}ms` },
    },
  })
  onStop(() => stack.down())
  return stack
}

const describeProgress = (phase: string, { ratePerSecond, ended, open, lately }: LoadProgress): string =>
  `${phase}: ${ratePerSecond.toFixed(1)} checkouts a second, ${ended} at their end, ${open} open` +
  (lately.toEnd.count > 0 ? `, the last of them after ${inUnit('s', lately.toEnd.p50 / 1_000)} (p50)` : '')

type DriveResult = Omit<IncidentResult, 'scenario' | 'startedAt' | 'speed' | 'ratePerSecond' | 'tookMillis'>
type Figures = { -readonly [Key in keyof IncidentResult['figures']]: number }

class Drive {
  readonly #options: IncidentOptions
  readonly #tools: IncidentTools
  readonly #running: Running
  readonly #fault: Awaited<ReturnType<Scenario['prepare']>>
  readonly #watch: AlertWatch
  readonly #load: PhasedLoad
  readonly #links: Link[] = []
  readonly #figures: Figures = {}
  readonly #timeline: TimelineEntry[] = []
  readonly #pages: { title: string; url: string }[] = []
  #beforeAtMillis = 0
  #faultAtMillis = 0
  #guilty: IncidentResult['guilty']
  #comparison: SetComparison | undefined

  constructor(
    options: IncidentOptions,
    tools: IncidentTools,
    running: Running,
    fault: Awaited<ReturnType<Scenario['prepare']>>,
    watch: AlertWatch,
    load: PhasedLoad,
  ) {
    this.#options = options
    this.#tools = tools
    this.#running = running
    this.#fault = fault
    this.#watch = watch
    this.#load = load
  }

  async run(): Promise<Omit<Incident, 'result'> & { result: DriveResult }> {
    const { warmUpMillis, steadyMillis, scenario } = this.#options
    await this.#load.begin('warm-up')
    await delay(warmUpMillis)
    await this.#load.begin('before')
    this.#beforeAtMillis = Date.now()
    await delay(steadyMillis)
    try {
      const panelsBefore = await this.#beforeTheFault()
      await this.#load.begin('during')
      await this.#breakIt()
      await this.#find(panelsBefore)
    } catch (error) {
      if (!(error instanceof LinkBroken)) throw error
      this.#note(error.link, false, error.message)
      this.#enter('broken', [`${linkNames[error.link]}: no. ${error.message}`])
    }
    // Also where it was not found: what is broken is mended, and what was accepted comes to its end.
    await this.#mend()
    const loads = await this.#load.end()
    this.#judge(loads)
    return {
      comparison: this.#comparison,
      loads,
      result: {
        links: this.#links,
        figures: this.#figures,
        ...(this.#guilty && { guilty: this.#guilty }),
        phases: figuresOf(loads),
        alsoFired: [...this.#watch.times.values()]
          .filter(
            ({ alert, firingAtMillis }) =>
              firingAtMillis !== undefined && alert.labels.alertname !== scenario.alert,
          )
          .map(({ alert: { labels } }) => {
            const about = Object.entries(labels).filter(
              ([name]) => name !== 'alertname' && name !== 'severity',
            )
            return [labels.alertname ?? '', ...about.map(([, value]) => value)].join(' ')
          }),
        pages: this.#pages,
        timeline: this.#timeline,
        ...lateness(loads),
      },
    }
  }

  get #backends() {
    const { gatewayUrl, stack } = this.#running
    return { gatewayUrl, ...stack.urls }
  }

  async #beforeTheFault(): Promise<(Sample | undefined)[]> {
    const { alert, panels } = this.#options.scenario
    const times = this.#watch.times.get(alert)
    if (times && times.resolvedAtMillis === undefined) {
      throw new LinkBroken('quiet', `${alert} is active before anything was broken`)
    }
    const before = this.#load.seen('before')?.toEnd
    if (!before || before.count === 0 || before.p99 > slowMillis) {
      const p99 = before && before.count > 0 ? `take ${inUnit('s', before.p99 / 1_000)} (p99)` : 'do not end'
      throw new LinkBroken('quiet', `Checkouts ${p99} before anything was broken: this machine is too busy.`)
    }
    this.#note('quiet', true, alert)
    this.#watch.forget()
    return Promise.all(panels.map((panel) => highestLine(this.#backends.prometheusUrl, findPanel(panel))))
  }

  async #breakIt(): Promise<void> {
    this.#faultAtMillis = Date.now()
    const done = await this.#fault.inject(this.#running)
    this.#enter('fault', [this.#options.scenario.what, done], this.#faultAtMillis)
  }

  async #find(panelsBefore: readonly (Sample | undefined)[]): Promise<void> {
    const { scenario } = this.#options
    const alert = await this.#untilFiring()
    const alertAtMillis = Date.now()
    const lines = await this.#lookAtPanels(panelsBefore)
    const partly = { faultAtMillis: this.#faultAtMillis, alertLabels: alert, lines }
    const { exemplar, panel, trace } = await this.#openExemplar(partly)
    this.#figures.alertToTraceMillis = Date.now() - alertAtMillis
    await this.#openLogs(exemplar.traceId ?? '')
    const found: Findings = { ...partly, exemplar, trace }
    const further = await scenario.lookFurther?.(this.#running, found)
    if (further?.length === 0) throw new LinkBroken('further', 'It is not.')
    this.#note('further', true, further?.join('; ') ?? 'nothing besides')
    if (further) this.#enter('further', further)
    await this.#compare()
    this.#figures.alertToGuiltyMillis = Date.now() - alertAtMillis
    this.#link(panel)
  }

  async #untilFiring(): Promise<Readonly<Record<string, string>>> {
    const { scenario, speed } = this.#options
    const { alert } = scenario
    const deadlineMillis = Math.max(leastAlertDeadlineMillis, alertDeadlineMillis / speed)
    let isPending = false
    const times = await eventually(
      `${alert} fires`,
      () => {
        const seen = this.#watch.times.get(alert)
        if (seen && !isPending) {
          isPending = true
          this.#figures.faultToPendingMillis = Math.max(0, seen.pendingAtMillis - this.#faultAtMillis)
          this.#enter('pending', [`${alert}: its condition is true`], seen.pendingAtMillis)
        }
        return Promise.resolve(seen?.firingAtMillis === undefined ? undefined : seen)
      },
      { deadlineMillis, intervalMillis: 200 },
    ).catch((error: unknown) => {
      if (!(error instanceof NotInTime)) throw error
      throw new LinkBroken('alert', `${alert} did not fire within ${deadlineMillis / 1_000} s.`)
    })
    const { firingAtMillis = 0, alert: seen } = times
    this.#figures.faultToFiringMillis = firingAtMillis - this.#faultAtMillis
    const { summary = '', description = '', runbook = '' } = seen.annotations
    this.#note('alert', true, summary)
    this.#enter(
      'firing',
      [`${alert}: ${summary}. ${description}`, `infra/prometheus/${runbook}`],
      firingAtMillis,
    )
    return seen.labels
  }

  async #lookAtPanels(before: readonly (Sample | undefined)[]): Promise<(Sample | undefined)[]> {
    const panels = this.#options.scenario.panels.map(findPanel)
    let seen: { readonly now: readonly (Sample | undefined)[]; readonly lines: readonly string[] } | undefined
    // What is made from spans comes some seconds after what services count themselves.
    const now = await eventually(
      'the dashboard shows it',
      async () => {
        const highest = await Promise.all(
          panels.map((panel) => highestLine(this.#backends.prometheusUrl, panel)),
        )
        seen = {
          now: highest,
          lines: panels.map((panel, at) => describePanel(panel, before[at], highest[at])),
        }
        const isSeen = (value: number, earlier: number) => value > 0 && value >= 2 * earlier
        return panels.every((_, at) => isSeen(highest[at]?.value ?? 0, before[at]?.value ?? 0))
          ? highest
          : undefined
      },
      { deadlineMillis: 30_000, intervalMillis: 1_000 },
    ).catch((error: unknown) => {
      if (!(error instanceof NotInTime)) throw error
      throw new LinkBroken('dashboard', `It is not to be seen: ${seen?.lines.join('; ') ?? 'nothing is'}.`)
    })
    const lines = seen?.lines ?? []
    this.#enter('dashboard', lines)
    this.#note('dashboard', true, lines.join('; '))
    for (const panel of panels) this.#link(panel)
    return now
  }

  async #openExemplar(partly: Omit<Findings, 'exemplar' | 'trace'>) {
    const { exemplars } = this.#options.scenario
    const panel = findPanel(exemplars.panel)
    const wanted = Object.entries(exemplars.narrowedTo?.(partly) ?? {})
    const isTelling = exemplars.isTelling ?? (() => true)
    const opened = new Set<string>()
    let shown = 0
    const { exemplar, trace } = await eventually(
      'an exemplar',
      async () => {
        const range = { fromMillis: this.#faultAtMillis, toMillis: Date.now() + 1_000 }
        const all = await exemplarsOf(this.#backends.prometheusUrl, panel, range)
        const fitting = all.filter(({ series }) => wanted.every(([label, value]) => series[label] === value))
        shown += fitting.length
        for (const each of fitting) {
          const { traceId = '' } = each
          if (opened.has(traceId)) continue
          const spans = await fetchTrace(this.#backends.jaegerUrl, traceId)
          if (spans === undefined) continue
          opened.add(traceId)
          if (isTelling(spans)) return { exemplar: each, trace: spans }
        }
        return undefined
      },
      { deadlineMillis: 20_000, intervalMillis: 500 },
    ).catch((error: unknown) => {
      if (!(error instanceof NotInTime)) throw error
      if (shown > 0)
        throw new LinkBroken('trace', `${opened.size} were opened, and none of them tells anything.`)
      throw new LinkBroken(
        'exemplar',
        `"${panel.title}" shows none since the fault with ${JSON.stringify(Object.fromEntries(wanted))}.`,
      )
    })
    const { service_name: service = '', span_name: span = '' } = exemplar.series
    const what = `${panel.dashboardTitle}, "${panel.title}": ${service} ${span}, ${inUnit('s', exemplar.value)}`
    this.#enter('exemplar', [
      what,
      `trace ${exemplar.traceId ?? ''}` + (opened.size > 1 ? `, the ${opened.size}th that was opened` : ''),
    ])
    this.#note('exemplar', true, what)
    this.#describeTrace(exemplar.traceId ?? '', trace)
    return { exemplar, panel, trace }
  }

  #describeTrace(traceId: string, trace: readonly TraceSpan[]): void {
    const services = [...new Set(trace.map(({ service }) => service))].join(', ')
    const sagaId = trace.map(({ attributes }) => attributes['saga.id']).find((id) => id !== undefined)
    this.#enter('trace', [
      `${trace.length} spans of ${services}, ${inUnit('s', lengthMillisOf(trace) / 1_000)}` +
        (sagaId === undefined ? '' : `, checkout ${sagaId}`),
      ...(sagaId === undefined ? [] : [`npm run follow -- ${sagaId}`]),
    ])
    this.#note('trace', true, `${trace.length} spans`)
    const followed = {
      checkoutId: sagaId,
      traceIds: [traceId],
      fromMillis: this.#faultAtMillis,
      toMillis: Date.now(),
    }
    this.#pages.push(...linksTo(followed, this.#backends, this.#options.pages))
  }

  async #openLogs(traceId: string): Promise<void> {
    const lines = await eventually(
      'the log lines',
      async () => {
        const found = await logsOfTrace(this.#backends.elasticsearchUrl, traceId)
        return found.length > 0 ? found : undefined
      },
      { deadlineMillis: 10_000, intervalMillis: 500 },
    ).catch(() => {
      throw new LinkBroken('logs', `Elasticsearch has no line of trace ${traceId}.`)
    })
    const loud = lines.filter(({ severity }) => severity !== 'info' && severity !== 'INFO')
    const shown = (loud.length > 0 ? loud : lines).slice(-2)
    this.#enter('logs', [
      `trace_id : "${traceId}": ${lines.length} lines` +
        (loud.length > 0 ? `, ${loud.length} of them not just info` : ''),
      ...shown.map(
        ({ service, severity, message, attributes }) =>
          `${service} ${severity.toLowerCase()} ${textOf(attributes['event.name'])}: ${message}`,
      ),
    ])
    this.#note('logs', true, `${lines.length} lines`)
  }

  async #compare(): Promise<void> {
    const { scenario, pages } = this.#options
    const before = await this.#tracesOf(this.#beforeAtMillis, this.#faultAtMillis, hasEnded)
    const during = await this.#tracesOf(this.#faultAtMillis, Date.now(), scenario.affected)
    if (before.length === 0 || during.length === 0) {
      throw new LinkBroken(
        'compare',
        `Jaeger has ${before.length} traces from before and ${during.length} since.`,
      )
    }
    const comparison = compareSets(before, during)
    this.#comparison = comparison
    const guilty = guiltyOf(comparison)
    const top = comparison.rows
      .filter(({ criticalDifferenceMicros }) => criticalDifferenceMicros > 0)
      .slice(0, 3)
      .map((row) => `${plusSeconds(row.criticalDifferenceMicros)} ${describeRow(row)}`)
    const sets = `${before.length} traces before against ${during.length} since: median ${spread(comparison.length)}`
    if (!guilty) {
      this.#enter('compare', [sets, ...top])
      throw new LinkBroken('compare', 'Nothing differs beyond chance.')
    }
    const { row, because } = guilty
    const name = describeRow(row)
    const isAsBroken = agrees(guilty, scenario.expected)
    this.#guilty = { name, because, agrees: isAsBroken }
    const metric = row.self ? `: median ${spread(row.self)}` : ''
    this.#enter('compare', [sets, ...top, `guilty: ${name}${metric}`, `because ${because}`])
    this.#note('compare', true, name)
    const [slow, fast] = [during[0]?.[0]?.traceId ?? '', before[0]?.[0]?.traceId ?? '']
    this.#pages.push({
      title: 'Jaeger, compare',
      url: `${pages.jaegerUiUrl ?? this.#backends.jaegerUrl}/trace/${slow}...${fast}`,
    })
    this.#note('agreement', isAsBroken, `${name}; broken was ${JSON.stringify(scenario.expected)}`)
  }

  async #tracesOf(
    fromMillis: number,
    toMillis: number,
    isWanted: (trace: readonly TraceSpan[]) => boolean,
  ): Promise<TraceSpan[][]> {
    const { jaegerUrl } = this.#backends
    const ids = await findTraceIds(jaegerUrl, {
      service: 'gateway',
      operation: 'POST /checkouts',
      fromMicros: fromMillis * 1_000,
      toMicros: toMillis * 1_000,
      limit: tracesLookedAt,
    })
    const wanted: TraceSpan[][] = []
    for (const id of ids) {
      if (wanted.length === tracesOfEachSet) break
      const trace = await fetchTrace(jaegerUrl, id)
      if (trace && isWanted(trace)) wanted.push(trace)
    }
    return wanted
  }

  async #mend(): Promise<void> {
    const { scenario, speed, steadyMillis } = this.#options
    const { alert } = scenario
    if (this.#faultAtMillis === 0) return
    const fixAtMillis = Date.now()
    this.#figures.faultToFixMillis = fixAtMillis - this.#faultAtMillis
    await this.#load.begin('recovering')
    const done = await this.#fault.fix(this.#running)
    this.#enter('fix', [done], fixAtMillis)
    const deadlineMillis = Math.max(leastAlertDeadlineMillis, (2 * alertDeadlineMillis) / speed)
    await eventually(
      'the numbers are back',
      () => {
        // Not one after the other: an alert about latency is over, for a while, when nothing comes to its end at all.
        const isOver = this.#noteResolved(alert, fixAtMillis)
        const isBack = this.#noteLatency(fixAtMillis)
        return Promise.resolve((isOver && isBack) || undefined)
      },
      { deadlineMillis, intervalMillis: 200 },
    ).catch((error: unknown) => {
      if (!(error instanceof NotInTime)) throw error
    })
    this.#enterRecovery(alert, fixAtMillis, deadlineMillis)
    await this.#load.begin('after')
    await delay(steadyMillis)
  }

  #noteResolved(alert: string, fixAtMillis: number): boolean {
    if (this.#figures.faultToFiringMillis === undefined) return true
    const resolvedAtMillis = this.#watch.times.get(alert)?.resolvedAtMillis
    if (resolvedAtMillis === undefined) delete this.#figures.fixToResolvedMillis
    else this.#figures.fixToResolvedMillis = resolvedAtMillis - fixAtMillis
    return resolvedAtMillis !== undefined
  }

  #noteLatency(fixAtMillis: number): boolean {
    const [before, during, now] = ['before', 'during', 'recovering'].map((name) => this.#load.seen(name))
    const isBack =
      before !== undefined &&
      now !== undefined &&
      hasSettled({ before, leftOpen: during?.open ?? 0, now, ratePerSecond: this.#options.ratePerSecond })
    if (!isBack) delete this.#figures.fixToBackMillis
    else this.#figures.fixToBackMillis ??= Date.now() - fixAtMillis
    return isBack
  }

  #enterRecovery(alert: string, fixAtMillis: number, deadlineMillis: number): void {
    const { faultToFiringMillis, fixToResolvedMillis, fixToBackMillis } = this.#figures
    const entries: [number, string, string][] = []
    if (fixToBackMillis !== undefined) {
      entries.push([
        fixToBackMillis,
        'back',
        'what arrives takes as long as before, and nothing older is open',
      ])
    }
    if (fixToResolvedMillis !== undefined) entries.push([fixToResolvedMillis, 'resolved', `${alert} is over`])
    for (const [millis, what, line] of entries.sort(([one], [other]) => one - other)) {
      this.#enter(what, [line], fixAtMillis + millis)
    }
    if (faultToFiringMillis === undefined) return
    const isOver = fixToResolvedMillis !== undefined
    this.#note(
      'resolved',
      isOver,
      isOver ? alert : `${alert} fires ${deadlineMillis / 1_000} s after the fix`,
    )
  }

  #judge(loads: ReadonlyMap<string, LoadResult>): void {
    const [before, after] = [loads.get('before'), loads.get('after')]
    if (before && after) {
      const { bound, isBack } = recovery(before.overall.toEnd, after.overall.toEnd)
      this.#note(
        'recovered',
        isBack,
        `p50 ${inUnit('s', after.overall.toEnd.p50 / 1_000)}, at most ${inUnit('s', bound.p50 / 1_000)}; ` +
          `p99 ${inUnit('s', after.overall.toEnd.p99 / 1_000)}, at most ${inUnit('s', bound.p99 / 1_000)}`,
      )
      this.#enter('after', [`the latency is ${isBack ? '' : 'not '}what it was`])
    }
    const tallies = [...loads.values()].map(({ tally }) => tally)
    const sum = (of: (tally: LoadResult['tally']) => number) =>
      tallies.reduce((total, tally) => total + of(tally), 0)
    const [accepted, open, unexpected] = [
      sum((tally) => tally.accepted),
      sum((tally) => tally.open),
      sum((tally) => tally.unexpected),
    ]
    this.#note(
      'whole',
      open === 0 && unexpected === 0 && accepted > 0,
      `${accepted} checkouts accepted, ${open} at no end, ${unexpected} at another than they should`,
    )
  }

  #note(name: LinkName, isFound: boolean, detail: string): void {
    this.#links.push({ name, isFound, detail })
  }

  #enter(what: string, lines: readonly string[], atMillis = Date.now()): void {
    // What is found wrong before there is a fault has no time.
    const entry = { atMillis: this.#faultAtMillis === 0 ? 0 : atMillis - this.#faultAtMillis, what, lines }
    this.#timeline.push(entry)
    this.#tools.onEntry(entry)
  }

  #link(panel: Panel): void {
    const { grafanaUrl = 'http://localhost:3000' } = this.#options.pages
    const [from, to] = [this.#beforeAtMillis, Date.now()]
    this.#pages.push({
      title: `Grafana, ${panel.dashboardTitle}, "${panel.title}"`,
      url: `${grafanaUrl}/d/${panel.dashboardUid}?viewPanel=${panel.id}&from=${from}&to=${to}`,
    })
  }
}

function describePanel(
  { dashboardTitle, title, unit }: Panel,
  before: Sample | undefined,
  now: Sample | undefined,
): string {
  const shown = (sample: Sample | undefined) => (sample ? inUnit(unit, sample.value) : 'nothing')
  const labels = Object.values(now?.labels ?? {}).join(' ')
  return `${dashboardTitle}, "${title}": ${shown(now)}${labels === '' ? '' : ` (${labels})`}, before ${shown(before)}`
}

const plusSeconds = (micros: number): string => `+${inUnit('s', micros / 1e6)}`

const spread = ({ a, b }: SetComparison['length']): string =>
  `${inUnit('s', a.medianMicros / 1e6)} before, ${inUnit('s', b.medianMicros / 1e6)} since`

function figuresOf(loads: ReadonlyMap<string, LoadResult>): IncidentResult['phases'] {
  const slowestBefore = loads.get('before')?.overall.toEnd.max ?? 0
  return Object.fromEntries(
    phaseNames.flatMap((name): [PhaseName, PhaseFigures][] => {
      const load = loads.get(name)
      if (!load) return []
      const { toAccepted, toEnd } = load.overall
      return [
        [
          name,
          {
            toAccepted: withoutHdr(toAccepted),
            toEnd: withoutHdr(toEnd),
            tally: load.tally,
            slowerThanAnyBefore: countAbove(toEnd, slowestBefore),
          },
        ],
      ]
    }),
  )
}

function withoutHdr(latency: Latency): Omit<Latency, 'hdr'> {
  const figures: Partial<Latency> = { ...latency }
  delete figures.hdr
  return figures as Omit<Latency, 'hdr'>
}

const textOf = (attribute: unknown): string => (typeof attribute === 'string' ? attribute : '')

/** The histogram keeps three digits, so what is the same to three digits is not above. */
function countAbove({ hdr, count }: Latency, millis: number): number {
  const { atPercentile } = distributionOf({ hdr })
  let [low, high] = [0, count]
  while (low < high) {
    const rank = Math.floor((low + high) / 2)
    if (atPercentile(((rank + 0.5) / count) * 100) > millis * 1.002) high = rank
    else low = rank + 1
  }
  return count - low
}

function lateness(loads: ReadonlyMap<string, LoadResult>): Pick<IncidentResult, 'generatorLateMillis'> {
  const late = [...loads.values()].filter((load) => load.void).map(({ generatorLag }) => generatorLag.p99)
  return late.length === 0 ? {} : { generatorLateMillis: Math.max(...late) }
}
