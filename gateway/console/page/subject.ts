/** One checkout or trace, watched: its steps live, its spans and log lines until all have arrived. */
import type { CheckoutView, LogLine, SpansAnswer, Step } from './api.ts'
import { api } from './api.ts'
import type { Remote } from './remote.ts'
import { load, nothingYet } from './remote.ts'
import type { SubjectRef } from './route.ts'

const roundMillis = 1_500
/** Spans and lines that were exported by then have arrived. */
const settlingMillis = 6_000
const viewDelayMillis = 150

export const ends: readonly string[] = ['completed', 'compensated', 'rejected']

export class Subject {
  readonly ref: SubjectRef
  /** Of a trace by its own id there is no checkout. */
  checkout: Remote<CheckoutView>
  spans: Remote<SpansAnswer> = nothingYet
  logs: Remote<{ readonly logs: readonly LogLine[] }> = nothingYet
  stream: 'closed' | 'live' | 'interrupted' = 'closed'
  /** Nothing new is expected of Jaeger and Elasticsearch. */
  isSettled = false
  readonly #changed: () => void
  #events: EventSource | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #viewTimer: ReturnType<typeof setTimeout> | undefined
  #endedAt: number | undefined
  #isStopped = false

  constructor(ref: SubjectRef, changed: () => void) {
    this.ref = ref
    this.checkout = ref.kind === 'trace' ? { ...nothingYet, isLoading: false } : nothingYet
    this.#changed = changed
  }

  async start(): Promise<void> {
    if (this.ref.kind === 'checkout') {
      await this.#readCheckout()
      const { value } = this.checkout
      if (this.#isStopped) return
      if (!value) {
        this.isSettled = true
        this.#changed()
        return
      }
      const last = value.steps.at(-1)
      if (ends.includes(value.status)) this.#endedAt = Date.parse(last?.time ?? value.deadline)
      else this.#follow()
    } else {
      this.#endedAt = Date.now()
    }
    await this.#round()
  }

  stop(): void {
    this.#isStopped = true
    this.#events?.close()
    clearTimeout(this.#timer)
    clearTimeout(this.#viewTimer)
  }

  /** Asks the backends again, whatever was thought of them. */
  refresh(): void {
    clearTimeout(this.#timer)
    this.isSettled = false
    this.#endedAt &&= Date.now()
    void (this.checkout.value || this.ref.kind === 'trace' ? this.#round() : this.start())
  }

  /** The steps as they happen, from the gateway's own event stream. */
  #follow(): void {
    const events = new EventSource(`/checkouts/${encodeURIComponent(this.ref.id)}/events`)
    this.#events = events
    this.stream = 'live'
    events.addEventListener('open', () => {
      this.stream = 'live'
      this.#changed()
    })
    events.addEventListener('error', () => {
      this.stream = events.readyState === EventSource.CLOSED ? 'closed' : 'interrupted'
      this.#changed()
    })
    events.addEventListener('step', ({ data }: MessageEvent<string>) => {
      this.#addStep(JSON.parse(data) as Step)
    })
    events.addEventListener('end', () => {
      events.close()
      this.stream = 'closed'
      this.#endedAt = Date.now()
      void this.#readCheckout()
    })
  }

  #addStep(step: Step): void {
    const { value } = this.checkout
    if (!value || value.steps.some(({ id }) => id === step.id)) return
    this.checkout = { ...this.checkout, value: { ...value, steps: [...value.steps, step] } }
    this.#changed()
    // Where it stands now, the gateway knows.
    clearTimeout(this.#viewTimer)
    this.#viewTimer = setTimeout(() => void this.#readCheckout(), viewDelayMillis)
  }

  async #readCheckout(): Promise<void> {
    await load(
      () => api.checkout(this.ref.id),
      this.checkout,
      (checkout) => this.#set(() => (this.checkout = checkout)),
    )
  }

  async #round(): Promise<void> {
    const before = this.#arrived()
    const { kind, id } = this.ref
    const traceId = this.checkout.value?.traceId ?? null
    await Promise.all([
      load(
        () => (kind === 'trace' ? api.spansOfTrace(id) : api.spansOfCheckout(id, traceId)),
        this.spans,
        (spans) => this.#set(() => (this.spans = spans)),
      ),
      load(
        () => (kind === 'trace' ? api.logsOfTrace(id) : api.logsOfCheckout(id)),
        this.logs,
        (logs) => this.#set(() => (this.logs = logs)),
      ),
    ])
    if (this.#isStopped) return
    const isOver = this.#endedAt !== undefined && Date.now() - this.#endedAt > settlingMillis
    const failed = this.spans.error !== undefined || this.logs.error !== undefined
    this.isSettled = isOver && !failed && this.#arrived() === before
    this.#changed()
    if (!this.isSettled)
      this.#timer = setTimeout(() => void this.#round(), failed ? roundMillis * 3 : roundMillis)
  }

  #arrived(): string {
    return `${this.spans.value?.total ?? -1}/${this.logs.value?.logs.length ?? -1}`
  }

  #set(assign: () => void): void {
    if (this.#isStopped) return
    assign()
    this.#changed()
  }
}
