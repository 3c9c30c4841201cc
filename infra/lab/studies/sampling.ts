/**
 * Which traces each sampler leaves, what one can tell from them, and what that costs: the same checkouts for each, at a
 * rate that two of them bear side by side, some failing and some slow.
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

/** Where what is saturated is slow, and what is slow is no longer the checkouts that were made to be. */
const ratePerSecond = 5
const windowMillis = 100_000
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

interface Planned {
  readonly arm: string
  readonly strategy: Omit<SamplingStrategy, 'rounds'>
}

/** As the arm has it. */
function of(arm: string): Planned {
  const { what, environment, collectorOverlays } = armNamed(arm)
  return { arm, strategy: { name: arm, what, environment, overlay: collectorOverlays?.[0] ?? null } }
}

/** Its arm's own rate is nearly all that comes here. */
function rateLimited(): Planned {
  const { arm, strategy } = of('rate-limited-10')
  return {
    arm,
    strategy: {
      ...strategy,
      name: 'rate-limited',
      what: `At most ${tracesPerSecond} checkouts a second`,
      environment: { ...strategy.environment, OTEL_TRACES_SAMPLER_ARG: String(tracesPerSecond) },
      tracesPerSecond,
    },
  }
}

const plan: readonly Planned[] = [
  ...['all', 'ratio-50', 'ratio-10', 'ratio-1', 'consistent-10'].map(of),
  rateLimited(),
  ...['always-off', 'tail-sampling'].map(of),
]

export const studySampling: Study<SamplingStudy> = async (tools) => {
  const { onStop, say } = tools
  const backend = await startTraceBackend()
  onStop(() => backend.close())
  const measured: SamplingStrategy[] = []
  for (const planned of plan) {
    const round = await measure(planned, backend, tools)
    measured.push({ ...planned.strategy, rounds: [round] })
    const { offered, whole, failed, slow, addedCpuMillisPerCheckout } = round
    say(
      `${planned.strategy.name}: of ${offered} checkouts ${whole} are whole, ` +
        `of ${failed.offered} failed ${failed.kept}, of ${slow.offered} slow ${slow.kept}; ` +
        `services need ${addedCpuMillisPerCheckout.services.toFixed(2)} ms more each.`,
    )
  }
  await backend.close()
  const seconds = windowMillis / 1_000
  const held = measured.filter((strategy) => strategy.tracesPerSecond !== undefined)
  return {
    ratePerSecond,
    slowFromMillis,
    strategies: measured,
    burst: {
      limitPerSecond: tracesPerSecond,
      offeredPerSecond: ratePerSecond,
      seconds,
      sampledPerSecond: held.flatMap(({ rounds }) => rounds.map(({ traced }) => traced / seconds)),
    },
  }
}

/** With the same checkouts at the same time on a rig without telemetry, for what is added to hold whatever the machine does. */
async function measure(
  { arm, strategy: { environment, overlay } }: Planned,
  backend: TraceBackend,
  { pinning, onStop }: StudyTools,
) {
  const quiet = overlay === null ? quietMillis : quietBehindTailSamplingMillis
  const silent = await manRig(armNamed('off'), { pinning, onStop })
  const sampled = await manRig(armNamed(arm), { pinning, onStop, environment, traceBackend: backend.url })
  const { rig } = sampled
  await Promise.all([silent, sampled].map(({ visitor }) => visitor.saturate(warmUp)))
  await rig.read('flush')
  await untilQuiet(backend, quiet)
  backend.clear()

  const before = await rig.read('flush')
  const ended: CheckoutEnded[] = []
  const [{ cpuMillisPerCheckout }, withoutTelemetry] = await Promise.all([
    sampled.visitor.hold(ratePerSecond, windowMillis, { mix, onEnd: (checkout) => ended.push(checkout) }),
    silent.visitor.hold(ratePerSecond, windowMillis, { mix }),
  ])
  const after = await rig.read('flush')
  await untilQuiet(backend, quiet)
  const [spans, backendBytes] = [[...backend.spans], backend.bytes]
  // To ask for a checkout is traced as well, with its id.
  const judged = judgeTraces(await withSteps(rig.gatewayUrl, ended), spans, slowFromMillis)
  await sampled.dismiss()
  await silent.dismiss()
  backend.clear()
  return {
    ...judged,
    wireBytes: after.wire.sent - before.wire.sent,
    backendBytes,
    addedCpuMillisPerCheckout: forEachPart(
      (part) => cpuMillisPerCheckout[part] - withoutTelemetry.cpuMillisPerCheckout[part],
    ),
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
