/** Which process is to die where: the table of crash points, derived from the failpoints, and the order to go by. */
import type { Failpoint, ProcessName } from '../../shared/process/failpoints.ts'
import { failpoints } from '../../shared/process/failpoints.ts'
import type { Random } from './random.ts'

export interface Cell {
  readonly service: ProcessName
  readonly point: Failpoint
}

export const cells: readonly Cell[] = failpoints.flatMap(({ name, in: services }) =>
  services.map((service) => ({ service, point: name })),
)

export const cellName = ({ service, point }: Cell): string => `${service}/${point}`

/**
 * Points that the traffic does not lead to by itself while its checkouts come in order: a cancellation has to overtake
 * the request that it cancels, which group-offsets.ts brings about.
 */
export const outOfOrderPoints: readonly Failpoint[] = ['bar-entered', 'bar-refused']

/** What only a crash leads to: a process dies at the first of a chain, and finds at its next start what that left. */
const chainsOf = (service: ProcessName): readonly (readonly Failpoint[])[] => [
  [service === 'gateway' ? 'request-answered' : 'committed', 'sweep-read', 'sweep-published'],
  ['capture-answered', 'refund-due'],
]

/** Points that every message, or nearly every, comes by: there it need not be the first that dies. */
const busy: ReadonlySet<Failpoint> = new Set([
  ...(['request-read', 'request-committed', 'request-answered', 'message-received'] as const),
  ...([
    'stream-known',
    'consulted',
    'decided',
    'committed',
    'batch-inserted',
    'send-acknowledged',
    'published',
    'handled',
    'claim-entered',
  ] as const),
])

/** A process comes by these at each sign of life, the first of which comes before all work. */
const beats: ReadonlySet<Failpoint> = new Set(['watermark-due', 'watermark-written'])

/** A crash to bring about. */
export interface Step {
  readonly point: Failpoint
  /** At which arrival. */
  readonly arrival: number
  /** What has to be crashed before it, anew when it is not reached. */
  readonly feeder?: Failpoint
}

/** A service's crashes of one lap: each point wanted once, in an order by the seed, chains kept together. */
export function planOf(service: ProcessName, wanted: readonly Cell[], random: Random): Step[] {
  const points = wanted
    .filter((cell) => cell.service === service && !outOfOrderPoints.includes(cell.point))
    .map(({ point }) => point)
  const chains = chainsOf(service).flatMap(([feeder, ...followers]) => {
    const asked = followers.filter((point) => points.includes(point))
    return feeder === undefined || asked.length === 0 ? [] : [{ feeder, asked }]
  })
  const inChains = new Set(chains.flatMap(({ feeder, asked }) => [feeder, ...asked]))
  const units: Step[][] = [
    ...points
      .filter((point) => !inChains.has(point))
      .map((point) => [{ point, arrival: arrivalAt(point, random) }]),
    ...chains.map(({ feeder, asked }) => [
      { point: feeder, arrival: 1 },
      ...asked.map((point) => ({ point, arrival: 1, feeder })),
    ]),
  ]
  return random.shuffled(units).flat()
}

function arrivalAt(point: Failpoint, random: Random): number {
  if (beats.has(point)) return Math.floor(random.between(1, 16))
  return busy.has(point) ? Math.floor(random.between(1, 4)) : 1
}
