/**
 * Which traces each sampler leaves, what one can tell from them, and what that costs: the same checkouts for each, at a
 * rate that all can bear, some failing and some slow.
 */
import type { Mix } from '../../../producers/load/mix.ts'
import { fetchCheckout } from '../../verify/checkouts.ts'
import { eventually } from '../../verify/eventually.ts'
import { armNamed } from '../arms/arms.ts'
import { forEachPart } from '../lab-result.ts'
import { manRig } from '../manned-rig.ts'
import type { CheckoutSeen } from '../sampling/judge-traces.ts'
import { judgeTraces } from '../sampling/judge-traces.ts'
import type { TraceBackend } from '../sampling/trace-backend.ts'
import { startTraceBackend } from '../sampling/trace-backend.ts'
import type { SamplingStrategy, SamplingStudy } from '../study-results.ts'
import type { CheckoutEnded } from '../visit.ts'
import type { Study, StudyTools } from './study.ts'

const ratePerSecond = 12
const windowMillis = 80_000
const mix: Mix = { completed: 90, declined: 5, 'out-of-stock': 2, blocked: 1, slow: 2 }
/** As overlays/tail-sampling.yaml has it. */
const slowFromMillis = 2_000
/** A tenth of what comes. */
const tracesPerSecond = ratePerSecond / 10
const warmUp = { inFlight: 16, saturationMillis: 15_000 }
/** No span for so long after the services have flushed: all have come. */
const quietMillis = 2_000
/** Tail sampling holds a trace for 10 s before it decides. */
const quietBehindTailSamplingMillis = 15_000
const quietDeadlineMillis = 120_000

interface Strategy {
  readonly arm: string
  readonly environment?: Readonly<Record<string, string>>
  readonly tracesPerSecond?: number
}

const strategies: readonly Strategy[] = [
  { arm: 'all' },
  { arm: 'ratio-50' },
  { arm: 'ratio-10' },
  { arm: 'ratio-1' },
  { arm: 'consistent-10' },
  {
    arm: 'rate-limited-10',
    environment: { OTEL_TRACES_SAMPLER_ARG: String(tracesPerSecond) },
    tracesPerSecond,
  },
  { arm: 'always-off' },
  { arm: 'tail-sampling' },
]

/** What the strategies are told apart from. */
const withoutTelemetry: Strategy = { arm: 'off' }

export const studySampling: Study<SamplingStudy> = async (tools) => {
  const { onStop, say } = tools
  const backend = await startTraceBackend()
  onStop(() => backend.close())
  const baseline = await measure(withoutTelemetry, backend, tools)
  const measured: SamplingStrategy[] = []
  const sampledPerSecond: number[] = []
  for (const strategy of strategies) {
    const { what, environment, collectorOverlays } = armNamed(strategy.arm)
    const holdsRate = strategy.tracesPerSecond !== undefined
    const { cpuMillisPerCheckout, ...judged } = await measure(strategy, backend, tools)
    const round: SamplingStrategy['rounds'][number] = {
      ...judged,
      addedCpuMillisPerCheckout: forEachPart(
        (part) => cpuMillisPerCheckout[part] - baseline.cpuMillisPerCheckout[part],
      ),
    }
    const name = holdsRate ? 'rate-limited' : strategy.arm
    measured.push({
      name,
      what: holdsRate ? `At most ${tracesPerSecond} checkouts a second` : what,
      environment: { ...environment, ...strategy.environment },
      overlay: collectorOverlays?.[0] ?? null,
      ...(holdsRate && { tracesPerSecond }),
      rounds: [round],
    })
    if (holdsRate) sampledPerSecond.push((1_000 * round.traced) / windowMillis)
    say(
      `${name}: of ${round.offered} checkouts ${round.whole} are whole, ` +
        `of ${round.failed.offered} failed ${round.failed.kept}, of ${round.slow.offered} slow ${round.slow.kept}; ` +
        `services need ${round.addedCpuMillisPerCheckout.services?.toFixed(2)} ms more each.`,
    )
  }
  await backend.close()
  return {
    ratePerSecond,
    slowFromMillis,
    strategies: measured,
    burst: {
      limitPerSecond: tracesPerSecond,
      offeredPerSecond: ratePerSecond,
      seconds: windowMillis / 1_000,
      sampledPerSecond,
    },
  }
}

async function measure(
  { arm, environment = {} }: Strategy,
  backend: TraceBackend,
  { pinning, onStop }: StudyTools,
) {
  const { collectorOverlays = [] } = armNamed(arm)
  const quiet = collectorOverlays.length > 0 ? quietBehindTailSamplingMillis : quietMillis
  const { rig, visitor, dismiss } = await manRig(armNamed(arm), {
    pinning,
    onStop,
    environment,
    traceBackend: backend.url,
  })
  await visitor.saturate(warmUp)
  await rig.read('flush')
  await untilQuiet(backend, quiet)
  backend.clear()

  const before = await rig.read('flush')
  const ended: CheckoutEnded[] = []
  const { cpuMillisPerCheckout } = await visitor.hold(ratePerSecond, windowMillis, {
    mix,
    onEnd: (checkout) => ended.push(checkout),
  })
  const after = await rig.read('flush')
  const checkouts = await withSteps(rig.gatewayUrl, ended)
  await untilQuiet(backend, quiet)
  const judged = judgeTraces(checkouts, backend.spans, slowFromMillis)
  const backendBytes = backend.bytes
  await dismiss()
  backend.clear()
  return {
    ...judged,
    wireBytes: after.wire.sent - before.wire.sent,
    backendBytes,
    cpuMillisPerCheckout,
  }
}

async function untilQuiet(backend: TraceBackend, forMillis: number): Promise<void> {
  let seen = { spans: -1, at: 0 }
  await eventually(
    'the last spans',
    () => {
      const spans = backend.spans.length
      if (spans !== seen.spans) seen = { spans, at: performance.now() }
      return Promise.resolve(performance.now() - seen.at >= forMillis || undefined)
    },
    { deadlineMillis: quietDeadlineMillis },
  )
}

/** Asked of the gateway, after what was measured: the store knows what was to be traced, and traces may lack it. */
async function withSteps(gatewayUrl: string, ended: readonly CheckoutEnded[]): Promise<CheckoutSeen[]> {
  const seen: CheckoutSeen[] = []
  for (const { checkoutId, end, millis } of ended) {
    const view = await fetchCheckout(gatewayUrl, checkoutId)
    if (!view) throw new Error(`the gateway does not know checkout ${checkoutId} that has ended`)
    seen.push({
      checkoutId,
      millis,
      hasFailed: end !== 'completed',
      steps: view.steps,
    })
  }
  return seen
}
