import { deepEqual, equal, match } from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { eventually } from '../verify/eventually.ts'
import { announceTo, armResourceAttributes } from './announce.ts'
import { madeUpResult } from './report/lab-result-for-tests.ts'

const pushed = z.object({
  resourceMetrics: z.array(
    z.object({
      scopeMetrics: z.array(
        z.object({
          metrics: z.array(
            z.object({
              name: z.string(),
              gauge: z.object({
                dataPoints: z.array(
                  z.object({
                    asDouble: z.number(),
                    attributes: z.array(
                      z.object({ key: z.string(), value: z.object({ stringValue: z.string() }) }),
                    ),
                  }),
                ),
              }),
            }),
          ),
        }),
      ),
    }),
  ),
})

/** A Collector that takes the first announcement last, if nobody keeps them in order. */
class SlowAtFirst {
  readonly #server: Server
  readonly seen: string[] = []
  status = 200

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#take(request).then(() => response.writeHead(this.status).end('no room'))
    })
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #take(request: IncomingMessage): Promise<void> {
    const body = pushed.parse(await json(request))
    if (this.seen.length === 0) await delay(30)
    for (const { name, gauge } of body.resourceMetrics[0]?.scopeMetrics[0]?.metrics ?? [])
      for (const { asDouble, attributes } of gauge.dataPoints)
        this.seen.push([name, ...attributes.map(({ value }) => value.stringValue), asDouble].join(' '))
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

describe('announcing the arms of the lab', () => {
  let collector: SlowAtFirst
  let url: string
  beforeEach(async () => {
    collector = new SlowAtFirst()
    url = await collector.start()
  })
  afterEach(() => collector.stop())

  it('says of each arm when it begins, and that the one before has ended, in order', async () => {
    const announcer = announceTo(url)
    announcer.begin('off', 'saturation')
    announcer.begin('all', 'saturation')
    announcer.begin('all', 'half load')
    announcer.end()
    await announcer.close()
    deepEqual(collector.seen, [
      'lab.arm off saturation 1',
      'lab.arm off saturation 0',
      'lab.arm all saturation 1',
      'lab.arm all saturation 0',
      'lab.arm all half load 1',
      'lab.arm all half load 0',
    ])
  })

  it('repeats what runs, which the Collector forgets otherwise, and nothing after the end', async () => {
    const announcer = announceTo(url, { repeatMillis: 20 })
    announcer.begin('off', 'saturation')
    await eventually('some repetitions', () => Promise.resolve(collector.seen.length > 3 ? true : undefined))
    await announcer.close()
    const count = collector.seen.length
    deepEqual(new Set(collector.seen.slice(0, -1)), new Set(['lab.arm off saturation 1']))
    equal(collector.seen.at(-1), 'lab.arm off saturation 0')
    await delay(60)
    equal(collector.seen.length, count)
  })

  it('tells what a visit has measured, in seconds and bytes', async () => {
    const announcer = announceTo(url)
    const [, all] = madeUpResult({ noise: 0 }).comparisons
    const sample = all?.pairs[0]?.arm
    if (!sample) throw new Error('there is no such arm')
    announcer.measured('all', sample)
    await announcer.close()
    const lines = new Map(
      collector.seen.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.split(' ').at(-1)]),
    )
    equal(Number(lines.get('lab.checkouts_per_second all')), sample.saturation.checkoutsPerSecond)
    equal(
      Number(lines.get('lab.cpu_per_checkout all services')),
      sample.saturation.cpuMillisPerCheckout.services / 1_000,
    )
    equal(Number(lines.get('lab.checkout_duration all 0.99')), sample.halfLoad.toEndMillis.p99 / 1_000)
    equal(Number(lines.get('lab.telemetry_per_checkout all')), 34 * 60)
    equal(lines.size, 12)
  })

  it('fails nothing when nobody takes it, and says so once', async () => {
    collector.status = 503
    const failures: string[] = []
    const announcer = announceTo(url, { onFailure: ({ message }) => failures.push(message) })
    announcer.begin('off', 'saturation')
    announcer.begin('all', 'saturation')
    await announcer.close()
    equal(failures.length, 1)
    match(failures[0] ?? '', /503: no room/)

    collector.stop()
    const toNobody = announceTo(url, { onFailure: ({ message }) => failures.push(message) })
    toNobody.begin('off', 'saturation')
    await toNobody.close()
    equal(failures.length, 2)
  })

  it('gives processes of an arm attributes that no name of an arm can break', () => {
    equal(
      armResourceAttributes('batch 512, 5 s'),
      'sagascope.lab.arm=batch%20512%2C%205%20s,deployment.environment.name=lab',
    )
  })
})
