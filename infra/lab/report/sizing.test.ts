import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { format, resolveConfig } from 'prettier'
import { analyseSampling } from './analyse-studies.ts'
import { madeUpResult } from './lab-result-for-tests.ts'
import { makeReport } from './make-report.ts'
import { toSizingMarkdown } from './sizing-markdown.ts'
import type { SizingInputs } from './sizing.ts'
import { inputsOf, project, recommend, sizeFor, systemSizes, usualAssumptions } from './sizing.ts'
import { madeUpStudies } from './studies-for-tests.ts'

/** Round figures, to be followed by hand. */
const inputs: SizingInputs = {
  services: {
    gateway: { cpuMillis: 1.2, rssBytes: 100 * 2 ** 20 },
    orders: { cpuMillis: 0.6, rssBytes: 120 * 2 ** 20 },
    payments: { cpuMillis: 0.3, rssBytes: 120 * 2 ** 20 },
  },
  brokerCpuMillis: 2.4,
  storeCpuMillis: 2,
  collectorCpuMillis: 0.6,
  tailCollectorCpuMillis: 1.2,
  wireBytes: 2_048,
  spans: 34,
  traceBytes: 2_000,
  kafkaMessages: 6,
  kafkaBytes: 1_000,
  storeBytes: 2_000,
  storeProduct: 'made up',
  logRecords: 7,
  logBytes: 1_000,
  seriesPerInstance: 300,
}

const stepsOf = (given: SizingInputs) =>
  new Map(sizeFor(1_000, given).flatMap(({ steps }) => steps.map((step) => [step.what, step])))

describe('what a larger system needs', () => {
  const steps = stepsOf(inputs)
  const valueOf = (what: string) => steps.get(what)?.value

  it('is what a checkout costs, times as many, with room for what fails', () => {
    equal(valueOf('orders: processor time'), 0.6)
    equal(valueOf('orders: pods'), 1)
    equal(valueOf('gateway: pods'), 2)
    equal(valueOf('gateway: memory'), 2 * 100 * 2 ** 20)
    equal(valueOf('broker: processor time'), 2.4)
    equal(valueOf('brokers, for processor time alone'), 1)
    equal(steps.get('gateway: pods')?.arithmetic, '1.20 cores ÷ (1 × 0.6), rounded up')
  })

  it('has partitions for twice the pods of the largest consumer, whatever the gateway needs', () => {
    equal(valueOf('partitions of each topic'), 2)
    const larger = { ...inputs.services, orders: { cpuMillis: 6, rssBytes: 1 } }
    equal(stepsOf({ ...inputs, services: larger }).get('partitions of each topic')?.value, 20)
  })

  it('keeps messages as often and as long as is assumed, and the rest by the day', () => {
    equal(valueOf('log'), 1_000 * 1_000 * 86_400 * 3)
    equal(valueOf('log, as long as it is kept'), 1_000 * 1_000 * 86_400 * 3 * 7)
    equal(valueOf('commits and registers'), 1_000 * 2_000 * 86_400 * 3)
    equal(valueOf('traces, all of them'), 1_000 * 2_000 * 86_400)
    equal(valueOf('log lines'), 1_000 * 1_000 * 86_400)
    const pods = 2 + 1 + 1
    equal(
      valueOf('metrics'),
      (pods * 300 * 86_400 * usualAssumptions.bytesPerSample) / usualAssumptions.scrapeIntervalSeconds,
    )
  })

  it('has a second tier of Collectors for tail sampling, each of which holds its part of the traces', () => {
    equal(valueOf('second tier: instances'), 1)
    equal(valueOf('traces held until they are decided on'), 10_000)
    const tenfold = new Map(
      sizeFor(10_000, inputs).flatMap((section) => section.steps.map((step) => [step.what, step.value])),
    )
    equal(tenfold.get('second tier: instances'), 10)
    equal(tenfold.get('num_traces of each instance of the second tier, at least'), 10_000)
  })

  it('says which input a step lacks, and goes on', () => {
    const lacking = stepsOf({ ...inputs, kafkaBytes: undefined, tailCollectorCpuMillis: undefined })
    equal(lacking.get('log')?.value, undefined)
    equal(lacking.get('log')?.arithmetic, 'not measured: bytes of messages')
    equal(lacking.get('second tier: instances')?.arithmetic, 'not measured: second tier: processor time')
    ok(lacking.get('commits and registers')?.value)
  })

  it('takes its inputs from the result and its studies', () => {
    const found = inputsOf(makeReport(madeUpResult({ noise: 0 }), madeUpStudies({ noise: 0 })))
    deepEqual(Object.keys(found.services), ['gateway', 'users', 'orders', 'payments', 'checkout'])
    equal(found.kafkaMessages, 6)
    equal(found.kafkaBytes, 4_200)
    equal(found.spans, 34)
    equal(found.seriesPerInstance, 800)
    equal(found.tailCollectorCpuMillis, undefined)
    deepEqual(inputsOf(makeReport(madeUpResult({ comparisons: [] }), {})).services, {})
  })
})

describe('the sampling that is recommended', () => {
  const strategies = analyseSampling(madeUpStudies({ noise: 0 }).sampling)
  const named = (name: string) => {
    const found = strategies.find((strategy) => strategy.name === name)
    if (!found) throw new Error(`there is no ${name}`)
    return found
  }

  it('keeps all while it fits, then what failed and was slow', () => {
    deepEqual(
      systemSizes.map((size) => recommend(strategies, size).chosen?.strategy.name),
      ['always on', 'always on', 'tail sampling'],
    )
  })

  it('is the cheaper of two that keep the same', () => {
    const dearer = { ...named('always on'), name: 'dearer', addedCpuMillis: { services: 1 } }
    const [small] = systemSizes
    ok(small)
    equal(recommend([dearer, named('always on')], small).chosen?.strategy.name, 'always on')
  })

  it('is none where none fits', () => {
    const tiny = { name: 'tiny disk', ratePerSecond: 10_000, traceBytesPerDay: 1 }
    equal(recommend(strategies, tiny).chosen, undefined)
  })

  it('knows that a sampler that holds a rate keeps a smaller share of more checkouts, in as many bytes', () => {
    const limited = named('rate limited')
    equal(project(limited, 1).wholeShare, 1)
    equal(project(limited, 500).wholeShare, 0.01)
    equal(project(limited, 500).keptOfFailed, 0.01)
    const day = (rate: number) => Math.round(project(limited, rate).traceBytesPerDay)
    equal(day(500), day(5_000))
    equal(day(500), Math.round(5 * 34 * 60 * 86_400))
    ok(project(limited, 1).addedCores > (1 * 0.15) / 1_000)
  })
})

describe('the sizing page', function () {
  this.timeout(20_000)

  const page = toSizingMarkdown(makeReport(madeUpResult(), madeUpStudies()), 'npm run lab')

  it('shows the arithmetic beside each result, from inputs that it names', () => {
    match(page, /\| orders: processor time +\| 10,000 \/ s × 0\.\d+ ms ÷ 1,000 ms +\| \d\.\d+ cores/)
    match(page, /\| messages +\| 6\.00 +\| study `sizes`/)
    match(page, /\| large +\| 10,000 +\| 500 GiB a day +\| tail sampling +\| 3 of 4 fit/)
  })

  it('recommends nothing without the study', () => {
    match(toSizingMarkdown(makeReport(madeUpResult(), {}), 'npm run lab'), /nothing is recommended/)
  })

  it('is formatted as everything here is', async () => {
    const style = await resolveConfig(import.meta.filename)
    equal(await format(page, { ...style, parser: 'markdown' }), page)
  })
})
