/** What would be sent, for people and as data. Nothing of the messages' content. */
import { alignColumns } from '../../shared/process/text-table.ts'
import type { Chosen, ChosenMessage, LeftOut } from './chosen.ts'
import { inCausalOrder } from './causal-order.ts'
import { firstSenderOf, originOf } from './replay-messages.ts'

export interface Plan {
  /** As they are to be sent. */
  readonly messages: readonly ChosenMessage[]
  readonly leftOut: LeftOut
}

export const planOf = ({ messages, leftOut }: Pick<Chosen, 'messages' | 'leftOut'>): Plan => ({
  messages: inCausalOrder(messages),
  leftOut,
})

/** How many of the messages are listed one by one. */
const listedLimit = 20

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

const topicAndType = ({ message, recorded }: ChosenMessage): string =>
  `${message.topic} ${recorded.event.type}`

/** How many of each topic and type, in the order of the flow. */
const countsOf = ({ messages }: Plan) =>
  [...Map.groupBy(messages, topicAndType)].map(([name, { length: count }]) => {
    const [topic = '', type = ''] = name.split(' ')
    return { topic, type, count }
  })

const spanOf = ({ messages }: Plan) => {
  const times = messages.map(({ message }) => message.producedAtMillis)
  const at = (pick: (a: number, b: number) => number) => new Date(times.reduce(pick)).toISOString()
  return times.length === 0
    ? undefined
    : { from: at((a, b) => Math.min(a, b)), to: at((a, b) => Math.max(a, b)) }
}

export function describePlan(plan: Plan): string[] {
  const { messages } = plan
  const span = spanOf(plan)
  if (!span) return []
  const checkouts = new Set(messages.map(({ recorded }) => recorded.checkoutId)).size
  const seconds = (Date.parse(span.to) - Date.parse(span.from)) / 1_000
  const listed = messages
    .slice(0, listedLimit)
    .map((each) => [
      each.recorded.time,
      each.recorded.event.type,
      each.recorded.checkoutId,
      originOf(each),
      firstSenderOf(each)?.traceId ?? '-',
    ])
  const more = messages.length - listed.length
  return [
    `${counted(messages.length, 'message')} of ${counted(checkouts, 'checkout')}, from ${span.from} to ${span.to} (${seconds} s)`,
    '',
    ...alignColumns([
      ['TOPIC', 'EVENT', 'MESSAGES'],
      ...countsOf(plan).map(({ topic, type, count }) => [topic, type, String(count)]),
    ]),
    '',
    ...alignColumns([['TIME', 'EVENT', 'CHECKOUT', 'REPLAY OF', 'TRACE'], ...listed]),
    ...(more > 0 ? [`... and ${more} more`] : []),
    '',
  ]
}

/** What was left out and why, a line each. */
export function describeLeftOut({ copies, unreadable, conflicting }: LeftOut): string[] {
  const first = (places: readonly string[]) =>
    places.slice(0, 3).join(', ') + (places.length > 3 ? ', ...' : '')
  return [
    ...(copies > 0
      ? [`Left out: ${counted(copies, 'copy').replace('copys', 'copies')} of these, sent later.`]
      : []),
    ...(unreadable.length > 0
      ? [
          `Left out: ${counted(unreadable.length, 'message')} that no service can read, at ${first(unreadable)}.`,
        ]
      : []),
    ...(conflicting.length > 0
      ? [
          `Left out: ${counted(conflicting.length, 'message')} with the id of another and other content, at ${first(conflicting)}.`,
        ]
      : []),
  ]
}

export const planJson = (plan: Plan) => ({
  messages: plan.messages.length,
  span: spanOf(plan),
  counts: countsOf(plan),
  leftOut: plan.leftOut,
})

export const messageJson = (chosen: ChosenMessage) => ({
  replayOf: originOf(chosen),
  topic: chosen.message.topic,
  type: chosen.recorded.event.type,
  id: chosen.recorded.id,
  checkoutId: chosen.recorded.checkoutId,
  time: chosen.recorded.time,
  originTraceId: firstSenderOf(chosen)?.traceId,
})
