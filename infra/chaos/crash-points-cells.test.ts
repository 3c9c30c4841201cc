import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import { serviceNames } from '../native/services.ts'
import { cellName, cells, outOfOrderPoints, planOf } from './crash-points-cells.ts'
import { seededRandom } from './random.ts'

const pointsOf = (service: string): string[] =>
  cells.filter((cell) => cell.service === service).map(({ point }) => point)

describe('the table of crash points', () => {
  it('has each cell once, and some for each process', () => {
    equal(new Set(cells.map(cellName)).size, cells.length)
    for (const service of serviceNames) ok(pointsOf(service).length > 5, service)
  })

  it('has the outbox at every process, deadlines at checkout alone, and the network at payments alone', () => {
    for (const service of serviceNames) ok(pointsOf(service).includes('published'), service)
    deepEqual(
      serviceNames.filter((service) => pointsOf(service).includes('deadline-due')),
      ['checkout'],
    )
    deepEqual(
      serviceNames.filter((service) => pointsOf(service).includes('refund-due')),
      ['payments'],
    )
  })
})

describe('the plan of a lap', () => {
  for (const service of serviceNames) {
    it(`has ${service} die at each of its points once, but where messages have to come out of order`, () => {
      const points = planOf(service, cells, seededRandom(1)).map(({ point }) => point)
      const expected = cells
        .filter((cell) => cell.service === service && !outOfOrderPoints.includes(cell.point))
        .map(({ point }) => point)
      deepEqual([...points].sort(), [...expected].sort())
    })
  }

  it('goes another way with another seed, and the same with the same', () => {
    const planned = (seed: number) => planOf('users', cells, seededRandom(seed))
    deepEqual(planned(1), planned(1))
    notDeepEqual(planned(1), planned(2))
  })

  it('has a crash before each that only a crash leads to, also when only the latter is wanted', () => {
    const points = (point: string) =>
      planOf(
        'gateway',
        cells.filter((cell) => cell.point === point),
        seededRandom(1),
      ).map((step) => step.point)
    deepEqual(points('sweep-read'), ['request-answered', 'sweep-read'])
    deepEqual(points('sweep-published'), ['request-answered', 'sweep-published'])
    deepEqual(points('request-read'), ['request-read'])
  })
})
