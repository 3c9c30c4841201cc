/**
 * What poison costs those who have nothing to do with it. Checkouts arrive at a steady rate, in slices: half of them
 * with poison among them, half without, by turns, so that both meet the same machine. Messages that nobody can read
 * are put onto the topics directly, and some checkouts pay with a token whose message fails at every attempt.
 */
import { randomUUID } from 'node:crypto'
import type { AnyCheckoutView, CheckoutRequest } from '../../infra/verify/checkouts.ts'
import { fetchCheckout, postCheckout, sampleCheckout } from '../../infra/verify/checkouts.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { topics } from '../../shared/saga/events.ts'
import type { KafkaConnection, ProducerMessage, Send } from '../../shared/kafka/kafka.ts'
import { openLoop } from '../load/open-loop.ts'
import type { DeadLetter } from './dead-letter.ts'
import { readDeadLetters } from './read-dead-letters.ts'

export interface PoisonPlan {
  readonly gatewayUrl: string
  readonly kafka: KafkaConnection
  readonly send: Send
  readonly ratePerSecond: number
  /** All of them, those in slices without poison included. */
  readonly checkouts: number
  /** An even number. */
  readonly slices: number
  /** Messages that nobody can read. */
  readonly malformed: number
  /** Checkouts, of all of them, whose payment fails at every attempt. */
  readonly failing: number
  /** Until when a checkout must be at its end, from when the last was asked for. */
  readonly endDeadlineMillis: number
}

export interface Ended {
  readonly view: AnyCheckoutView
  readonly kind: 'among poison' | 'without poison' | 'failing'
  /** From when it was due to arrive to its last step. */
  readonly millis: number
}

export interface PoisonReport {
  readonly ended: readonly Ended[]
  /** Those of this run; what was sent twice counts once. */
  readonly deadLetters: readonly DeadLetter[]
}

const marker = 'x-poison-run'

/** What nobody can read, in every way that there is. */
const malformed: readonly ((key: string) => Pick<ProducerMessage, 'value' | 'headers'>)[] = [
  () => ({ value: 'not an event', headers: {} }),
  () => ({ value: null, headers: {} }),
  (key) => ({ value: '{"a":', headers: attributes(key, 'OrderPlaced') }),
  (key) => ({ value: '{"a":1}', headers: attributes(key, 'CheckoutRequested') }),
  (key) => ({ value: '{}', headers: attributes(key, 'OrderEaten') }),
]

const attributes = (checkoutId: string, type: string) => ({
  ce_specversion: '1.0',
  ce_id: `poison/${randomUUID()}`,
  ce_source: '/sagascope/poison',
  ce_type: `dev.sagascope.${type}.v1`,
  ce_subject: checkoutId,
  ce_time: new Date().toISOString(),
})

/** Runs the load, waits until every checkout is at its end, and counts the dead letters then. */
export async function runPoison(plan: PoisonPlan): Promise<PoisonReport> {
  const { gatewayUrl, kafka, send, checkouts, slices } = plan
  const run = randomUUID()
  const startedAt = Date.now()
  const perSlice = Math.floor(checkouts / slices)
  const poisonedIn = (slices / 2) * perSlice
  const placed: { checkoutId: string; dueAtMillis: number; kind: Ended['kind'] }[] = []
  const poisonSent: Promise<void>[] = []

  let poisoned = 0
  for (let slice = 0; slice < slices; slice++) {
    // without, among, among, without, ...: whatever drifts meets both alike
    const isPoisoned = slice % 4 === 1 || slice % 4 === 2
    await openLoop({ ratePerSecond: plan.ratePerSecond, total: perSlice }, async (_index, dueAt) => {
      const dueAtMillis = performance.timeOrigin + dueAt
      let kind: Ended['kind'] = isPoisoned ? 'among poison' : 'without poison'
      if (isPoisoned) {
        const index = poisoned++
        if (isTurn(index, plan.malformed, poisonedIn)) poisonSent.push(send([malformedMessage(index, run)]))
        if (isTurn(index, plan.failing, poisonedIn)) kind = 'failing'
      }
      const token = kind === 'failing' ? 'tok_broken' : 'tok_visa'
      const request = sampleCheckout({ email: `${randomUUID()}@example.com`, token })
      const checkoutId = await place(gatewayUrl, request)
      placed.push({ checkoutId, dueAtMillis, kind })
    })
  }
  await Promise.all(poisonSent)

  const ended: Ended[] = []
  for (const { checkoutId, dueAtMillis, kind } of placed) {
    const view = await untilEnded(plan, checkoutId)
    const last = view.steps.at(-1)?.time ?? ''
    ended.push({ view, kind, millis: Date.parse(last) - dueAtMillis })
  }
  const ours = new Set(placed.map(({ checkoutId }) => checkoutId))
  const isOurs = ({ message, checkoutId = '' }: DeadLetter) =>
    message.headers[marker] === run || ours.has(checkoutId)
  const deadLetters = await eventually(
    'the dead letters of this run',
    async () => {
      const found = (await readDeadLetters(kafka, startedAt)).letters.filter(isOurs)
      return found.length >= plan.malformed + plan.failing ? found : undefined
    },
    { intervalMillis: 1_000 },
  )
  return { ended, deadLetters }
}

/**
 * As in infra/verify/checkouts.ts, but with or without telemetry: an answer may have no trace id. A gateway that
 * cannot promise anything now is asked again, as it says; latency counts from when the checkout was due.
 */
async function place(gatewayUrl: string, request: CheckoutRequest): Promise<string> {
  const headers = { 'idempotency-key': randomUUID() }
  const { body } = await eventually(
    'a checkout to be accepted',
    async () => {
      const answer = await postCheckout(gatewayUrl, request, headers)
      if (answer.status === 202) return answer
      throw new Error(`the gateway answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    },
    { intervalMillis: 250 },
  )
  return (body as { checkoutId: string }).checkoutId
}

const untilEnded = ({ gatewayUrl, endDeadlineMillis }: PoisonPlan, checkoutId: string) =>
  eventually(
    `the end of checkout ${checkoutId}`,
    async () => {
      const view = await fetchCheckout(gatewayUrl, checkoutId)
      return view && ['completed', 'compensated'].includes(view.status) ? view : undefined
    },
    { deadlineMillis: endDeadlineMillis, intervalMillis: 200 },
  )

/** True for so many of the total, evenly spread, the first of them early. */
function isTurn(index: number, count: number, total: number): boolean {
  const before = (at: number) => Math.floor(((at + 0.9 * total) * count) / total)
  return before(index + 1) > before(index)
}

function malformedMessage(index: number, run: string): ProducerMessage {
  const key = randomUUID()
  const topic = topics[index % topics.length] ?? 'checkouts'
  const make = malformed[index % malformed.length]
  const { value = null, headers = {} } = make?.(key) ?? {}
  return { topic, key, value, headers: { ...headers, [marker]: run } }
}
