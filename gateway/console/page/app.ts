/** What the page knows and does; the views draw it. */
import type { Accepted, Catalogue, Chart, ChartName, ChartRange, PageUrls, RecentCheckout } from './api.ts'
import { api, RequestFailed } from './api.ts'
import type { Remote } from './remote.ts'
import { load, nothingYet } from './remote.ts'
import type { Route, SubjectRef } from './route.ts'
import { addressOf, parseRoute } from './route.ts'
import type { Fields, Scenario } from './scenarios.ts'
import { freshEmail, scenariosOf, toRequest } from './scenarios.ts'
import { Subject } from './subject.ts'

const recentIntervalMillis = 3_000
const chartsIntervalMillis = 5_000
export const chartNames: readonly ChartName[] = ['rate', 'duration', 'failures']

export interface Placing {
  readonly state: 'idle' | 'sending' | 'refused'
  /** What came of it, for people. */
  readonly message: string
  readonly faults: readonly { readonly pointer: string; readonly detail: string }[]
}

/** A checkout that this page has placed: known before the backends hear of it. */
export type Placed = Accepted & { readonly requestedAt: string }

export class App {
  route: Route = parseRoute(location.hash)
  pages: PageUrls = {}
  catalogue: Remote<Catalogue> = nothingYet
  recent: Remote<{ readonly checkouts: readonly RecentCheckout[] }> = nothingYet
  charts: Readonly<Record<ChartName, Remote<Chart>>> = {
    rate: nothingYet,
    duration: nothingYet,
    failures: nothingYet,
  }
  range: ChartRange = '15m'
  scenarios: readonly Scenario[] = []
  scenarioId = ''
  fields: Fields = { email: freshEmail(), sku: '', quantity: 1, token: '' }
  keepEmail = false
  times = 1
  placing: Placing = { state: 'idle', message: '', faults: [] }
  placed: readonly Placed[] = []
  showsStore = localStorage.getItem('showsStore') !== 'no'
  /** Those on the page, one or two. */
  subjects: readonly Subject[] = []
  readonly #draw: () => void
  #isDrawing = false

  constructor(draw: () => void) {
    this.#draw = draw
  }

  start(): void {
    addEventListener('hashchange', () => this.#follow())
    document.addEventListener('visibilitychange', () => void this.#look())
    setInterval(() => void this.#lookAtRecent(), recentIntervalMillis)
    setInterval(() => void this.#lookAtCharts(), chartsIntervalMillis)
    void api.settings().then(
      ({ pages }) => {
        this.pages = pages
        this.changed()
      },
      () => undefined,
    )
    void this.readCatalogue()
    this.#follow()
    void this.#look()
  }

  /** Draws once, whatever has changed until then. */
  changed = (): void => {
    if (this.#isDrawing) return
    this.#isDrawing = true
    queueMicrotask(() => {
      this.#isDrawing = false
      this.#draw()
    })
  }

  async readCatalogue(): Promise<void> {
    await load(api.catalogue, this.catalogue, (catalogue) => {
      this.catalogue = catalogue
      if (!catalogue.value) return
      this.scenarios = scenariosOf(catalogue.value)
      this.choose(this.scenarios[0]?.id ?? '')
    })
    this.changed()
  }

  choose(scenarioId: string): void {
    const scenario = this.scenarios.find(({ id }) => id === scenarioId)
    if (!scenario) return
    this.scenarioId = scenarioId
    const plain = this.fields.email.replace(/@blocked\.example$/, '@example.com')
    this.fields = scenario.fields(plain)
    this.placing = { state: 'idle', message: '', faults: [] }
    this.changed()
  }

  edit(changes: Partial<Fields>): void {
    this.fields = { ...this.fields, ...changes }
    this.changed()
  }

  async place(): Promise<void> {
    if (this.placing.state === 'sending') return
    this.placing = { state: 'sending', message: 'Sending …', faults: [] }
    this.changed()
    const accepted: Placed[] = []
    try {
      for (let count = 0; count < this.times; count++) {
        const answer = await api.place(toRequest(this.fields))
        accepted.push({ ...answer, requestedAt: new Date().toISOString() })
        this.placed = [...accepted.slice(-1), ...this.placed].slice(0, 50)
        if (!this.keepEmail) this.#renewEmail()
        this.changed()
      }
      const [first] = accepted
      this.placing = {
        state: 'idle',
        message: accepted.length === 1 ? 'Accepted.' : `${accepted.length} accepted.`,
        faults: [],
      }
      if (accepted.length === 1 && first)
        location.hash = addressOf({ kind: 'checkout', id: first.checkoutId })
    } catch (error) {
      const problem = error instanceof RequestFailed ? error.problem : undefined
      const message = problem ? `${problem.status}: ${problem.title}.` : (error as Error).message
      this.placing = { state: 'refused', message, faults: problem?.errors ?? [] }
    }
    this.changed()
    void this.#lookAtRecent()
  }

  /** The checkouts of this page and of the logs, the latest first. */
  get recentCheckouts(): readonly RecentCheckout[] {
    const read = this.recent.value?.checkouts ?? []
    const known = new Set(read.map(({ checkoutId }) => checkoutId))
    const own = this.placed
      .filter(({ checkoutId }) => !known.has(checkoutId))
      .map(({ checkoutId, requestedAt }) => this.#ofSubject(checkoutId, requestedAt))
    return [...own, ...read].sort((a, b) => (a.requestedAt < b.requestedAt ? 1 : -1)).slice(0, 20)
  }

  show(range: ChartRange): void {
    this.range = range
    this.charts = { rate: nothingYet, duration: nothingYet, failures: nothingYet }
    this.changed()
    void this.#lookAtCharts()
  }

  toggleStore(): void {
    this.showsStore = !this.showsStore
    localStorage.setItem('showsStore', this.showsStore ? 'yes' : 'no')
    this.changed()
  }

  refresh(): void {
    for (const subject of this.subjects) subject.refresh()
    void this.#look()
  }

  /** Selects a span, or none; the address says so, without a step in the browser's history. */
  select(spanId: string | undefined): void {
    if (this.route.view !== 'subject') return
    history.replaceState(null, '', addressOf(this.route.subject, spanId))
    this.route = { ...this.route, spanId }
    this.changed()
  }

  #ofSubject(checkoutId: string, requestedAt: string): RecentCheckout {
    const { value } = this.subjects.find(({ ref }) => ref.id === checkoutId)?.checkout ?? {}
    return {
      checkoutId,
      requestedAt,
      status: value?.status ?? 'requested',
      ...(value?.reason && { reason: value.reason }),
      durationMillis: value?.steps.at(-1)?.sinceRequestMillis ?? 0,
    }
  }

  #renewEmail(): void {
    const [, domain = 'example.com'] = this.fields.email.split('@')
    this.fields = { ...this.fields, email: freshEmail().replace('example.com', domain) }
  }

  #follow(): void {
    this.route = parseRoute(location.hash)
    const wanted: readonly SubjectRef[] =
      this.route.view === 'subject'
        ? [this.route.subject]
        : this.route.view === 'compare'
          ? [this.route.a, this.route.b]
          : []
    const before = this.subjects
    this.subjects = wanted.map((ref) => {
      const same = before.find((subject) => subject.ref.kind === ref.kind && subject.ref.id === ref.id)
      if (same) return same
      const subject = new Subject(ref, this.changed)
      void subject.start()
      return subject
    })
    for (const subject of before) if (!this.subjects.includes(subject)) subject.stop()
    this.changed()
    // Where a reader of the screen goes on reading.
    queueMicrotask(() => {
      scrollTo(0, 0)
      document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true })
    })
    void this.#lookAtCharts()
  }

  async #look(): Promise<void> {
    await Promise.all([this.#lookAtRecent(), this.#lookAtCharts()])
  }

  async #lookAtRecent(): Promise<void> {
    if (document.hidden) return
    await load(api.recent, this.recent, (recent) => (this.recent = recent))
    this.changed()
  }

  async #lookAtCharts(): Promise<void> {
    if (document.hidden || this.route.view !== 'overview') return
    const { range } = this
    await Promise.all(
      chartNames.map((name) =>
        load(
          () => api.chart(name, range),
          this.charts[name],
          (chart) => {
            if (range === this.range) this.charts = { ...this.charts, [name]: chart }
          },
        ),
      ),
    )
    this.changed()
  }
}
