/**
 * What a checkout costs while one thing grows and the others stay: the services that it passes, partitions, checkouts in
 * flight, and what is in the store already. Each series is gone through upwards and then downwards.
 */
import { randomBytes } from 'node:crypto'
import type { Db } from 'mongodb'
import { services } from '../../../shared/saga/events.ts'
import { connectStore } from '../../../shared/kernel/mongo.ts'
import { armNamed } from '../arms/arms.ts'
import { manRig } from '../manned-rig.ts'
import type { Rig } from '../rig.ts'
import type { GrowthPoint, GrowthStudy } from '../study-results.ts'
import type { LoadKind, Visitor } from '../visit.ts'
import type { Study, StudyTools } from './study.ts'

const standard = { services: 5, replicas: 1, partitions: 6, inFlight: 16, storedCommits: 0 }
const leastMillis = 8_000
/** Until a thousand are in flight, two dozen of them have come to their end each second. */
const millisForEachInFlight = 40
const warmUpMillis = 30_000

const partitions = [1, 2, 4, 8, 16]
const inFlight = [1, 10, 100, 1_000]
const storedCommits = [0, 1_000, 10_000, 100_000, 1_000_000]
/** How a checkout has to be for so many services to take part in it, the gateway among them. */
const passing: readonly { readonly services: number; readonly kind: LoadKind }[] = [
  { services: 3, kind: 'blocked' },
  { services: 4, kind: 'out-of-stock' },
  { services: 5, kind: 'completed' },
]

type Round = GrowthPoint['rounds'][number]
type Place = Omit<GrowthPoint, 'rounds'>

export const studyGrowth: Study<GrowthStudy> = async (tools) => {
  const { say } = tools
  const points: GrowthPoint[] = []
  const keep = (place: Place, rounds: readonly Round[]) => {
    points.push({ ...place, rounds: [...rounds] })
    const costs = rounds.map(({ cpuMillisPerCheckout }) =>
      Object.values(cpuMillisPerCheckout).reduce((sum, millis) => sum + millis, 0),
    )
    say(
      `${place.axis} ${place[place.axis]}: ${costs.map((cost) => cost.toFixed(2)).join(' and ')} ms of processor time a checkout.`,
    )
  }

  for (const count of partitions) {
    const { visitor, dismiss } = await man(tools, count)
    const place = { ...standard, axis: 'partitions', partitions: count } as const
    keep(place, [await round(visitor, standard.inFlight), await round(visitor, standard.inFlight)])
    await dismiss()
  }

  const { rig, visitor, dismiss } = await man(tools, standard.partitions)
  const upAndDown = async <Step>(steps: readonly Step[], run: (step: Step) => Promise<Round>) => {
    const up: Round[] = []
    for (const step of steps) up.push(await run(step))
    const down: Round[] = []
    for (const step of steps.toReversed()) down.unshift(await run(step))
    return steps.map((step, index) => ({
      step,
      rounds: [up[index], down[index]].filter((each) => each !== undefined),
    }))
  }
  for (const { step, rounds } of await upAndDown(inFlight, (count) => round(visitor, count)))
    keep({ ...standard, axis: 'inFlight', inFlight: step }, rounds)
  for (const { step, rounds } of await upAndDown(passing, ({ kind }) =>
    round(visitor, standard.inFlight, kind),
  ))
    keep({ ...standard, axis: 'services', services: step.services }, rounds)

  // Only upwards: what is stored stays.
  let stored = 0
  for (const count of storedCommits) {
    await store(rig, count - stored)
    stored = count
    const rounds = [await round(visitor, standard.inFlight), await round(visitor, standard.inFlight)]
    keep({ ...standard, axis: 'storedCommits', storedCommits: count }, rounds)
  }
  await dismiss()
  return { points }
}

async function man({ pinning, onStop }: StudyTools, count: number) {
  const manned = await manRig(armNamed('all'), {
    pinning,
    onStop,
    partitions: count,
  })
  await manned.visitor.saturate({ inFlight: standard.inFlight, saturationMillis: warmUpMillis })
  return manned
}

async function round(visitor: Visitor, count: number, kind?: LoadKind): Promise<Round> {
  const { seconds, checkouts, checkoutsPerSecond, cpuMillisPerCheckout } = await visitor.saturate(
    { inFlight: count, saturationMillis: Math.max(leastMillis, count * millisForEachInFlight) },
    kind,
  )
  return { seconds, checkouts, checkoutsPerSecond, cpuMillisPerCheckout }
}

const batch = 1_000
let number = 1

/** As the services store them, spread over them, and of a writer that is forgotten. */
async function store(rig: Rig, count: number): Promise<void> {
  const connection = await connectStore({
    mongodbUrl: rig.stack.urls.mongodbUrl,
    databasePrefix: 'sagascope',
  })
  try {
    const perService = Math.floor(count / services.length)
    for (const service of services) {
      const database = connection.databaseOf(service)
      for (let done = 0; done < perService; done += batch)
        await insert(database, service, Math.min(batch, perService - done))
    }
  } finally {
    await connection.close()
  }
}

async function insert(database: Db, service: string, count: number): Promise<void> {
  const at = new Date(Date.now() - 86_400_000)
  const documents = Array.from({ length: count }, () => {
    const checkoutId = randomBytes(16).toString('hex')
    return {
      _id: `${service}/${checkoutId}@1` as never,
      checkoutId,
      version: 1,
      causedBy: `lab/${checkoutId}`,
      at,
      events: [{ type: 'OrderRejected', data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' } }],
      traceHeaders: {
        traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`,
      },
      writer: 'long gone',
      seq: number++,
    }
  })
  await database.collection('commits').insertMany(documents, { ordered: false })
}
