import { deepEqual } from 'node:assert/strict'
import { query } from '../../shared/backends/prometheus.ts'
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts } from '../native/ports.ts'
import { eventually } from '../verify/eventually.ts'
import { announceTo, labGauges } from './announce.ts'
import { madeUpResult } from './report/lab-result-for-tests.ts'

/** A Collector and a Prometheus of its own, with the configuration that all share, but that each scrape is waited for. */
describe('an arm of the lab, announced', function () {
  this.timeout(15 * 60_000) // the first time, both are compiled

  let stack: Stack
  before(async () => {
    stack = await openStack({
      ports: await pickFreePorts(),
      only: ['collector', 'prometheus'],
      prometheus: { interval: '500ms' },
    })
    await stack.allReady
  })
  after(() => stack.down())

  const valueOf = (promql: string, wanted: number) =>
    eventually(`${promql} to be ${wanted}`, async () => {
      const [sample] = await query(stack.urls.prometheusUrl, promql)
      return sample?.value === wanted || undefined
    })

  it('is in Prometheus while it runs, and over when it has ended', async () => {
    const announcer = announceTo(stack.urls.otlpHttpUrl, {
      onFailure: (error) => {
        throw error
      },
    })
    announcer.begin('all', 'saturation')
    await valueOf('lab_arm{arm="all", phase="saturation"}', 1)
    announcer.begin('off', 'saturation')
    await valueOf('lab_arm{arm="all"}', 0)
    await valueOf('lab_arm{arm="off"}', 1)
    await announcer.close()
    await valueOf('sum(lab_arm)', 0)
  })

  it('has what it measured there by the names that the dashboards ask for', async () => {
    const announcer = announceTo(stack.urls.otlpHttpUrl)
    const sample = madeUpResult().comparisons[1]?.pairs[0]?.arm
    if (sample) announcer.measured('all', sample)
    await announcer.close()
    const { arm, ...figures } = labGauges
    await valueOf(`count(${arm}) > bool 0`, 1)
    const found = await Promise.all(
      Object.values(figures).map((name) =>
        eventually(name, async () => (await query(stack.urls.prometheusUrl, name))[0]?.labels.arm),
      ),
    )
    deepEqual(new Set(found), new Set(['all']))
  })
})
