import { equal, ok, rejects } from 'node:assert/strict'
import type { Answer } from '../../producers/load/gateway-client.ts'
import { startClosedLoop } from './closed-loop.ts'

/** A system that accepts at once, and ends checkouts when it is told to. */
class SystemByHand {
  readonly open: (() => void)[] = []
  readonly answers: Answer[] = []
  placed = 0
  mostOpen = 0

  readonly client = {
    place: (): Promise<Answer> => {
      this.placed += 1
      return Promise.resolve(
        this.answers.shift() ?? { kind: 'accepted', checkoutId: `checkout-${this.placed}` },
      )
    },
  }
  readonly watch = {
    watch: (_: string, onEnd: (seen: { end: 'completed'; atMillis: number }) => void) => {
      this.open.push(() => onEnd({ end: 'completed', atMillis: 0 }))
      this.mostOpen = Math.max(this.mostOpen, this.open.length)
    },
  }
  end(): void {
    this.open.shift()?.()
  }
  endAll(): void {
    while (this.open.length > 0) this.end()
  }
}

const request = { user: { email: 'a@example.com', name: 'A' }, order: { items: [] }, payment: { token: 't' } }
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('the closed loop', () => {
  const loopOver = ({ client, watch }: SystemByHand, inFlight: number) =>
    startClosedLoop({ client, watch, nextRequest: () => request, inFlight })

  it('keeps as many in flight as it was told, and places the next one when one has ended', async () => {
    const system = new SystemByHand()
    const loop = loopOver(system, 3)
    for (let ends = 0; ends < 5; ends++) {
      await turn()
      equal(system.open.length, 3)
      system.end()
    }
    await turn()
    equal(loop.ended, 5)
    equal(system.mostOpen, 3)
    const stopped = loop.stop()
    system.endAll()
    await stopped
    equal(loop.ended, 8)
    equal(system.placed, 8)
  })

  it('sends no flood of requests when many are to be in flight', async () => {
    const system = new SystemByHand()
    const answers: (() => void)[] = []
    const { place } = system.client
    system.client.place = async () => {
      const answer = await place()
      await new Promise<void>((resolve) => answers.push(resolve))
      return answer
    }
    const loop = loopOver(system, 100)
    for (let answered = 0; answered < 100; answered++) {
      await turn()
      equal(answers.length, Math.min(16, 100 - answered))
      answers.shift()?.()
    }
    await turn()
    equal(system.open.length, 100)
    const stopped = loop.stop()
    system.endAll()
    await stopped
    equal(system.placed, 100)
  })

  it('fails when a checkout is refused: what is measured must be accepted', async () => {
    const system = new SystemByHand()
    system.answers.push({ kind: 'refused', code: 'overloaded', detail: '' })
    const loop = loopOver(system, 1)
    await turn()
    await rejects(loop.stop(), /refused: overloaded/)
    ok(loop.ended === 0)
  })
})
