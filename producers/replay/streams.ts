/** The commits of all services, as the topics tell of them: an event's id names its commit, and its place in it. */
import type { EventType, Service } from '../../shared/saga/events.ts'
import { services } from '../../shared/saga/events.ts'
import type { NewCommit, TraceHeaders } from '../../shared/kernel/event-store.ts'
import { propagationHeaders } from '../../shared/telemetry/propagation.ts'
import { traceparentOf } from '../../shared/telemetry/traceparent.ts'
import { causesAmong } from './causes.ts'
import type { ChosenMessage } from './chosen.ts'
import { firstSenderOf } from './replay-messages.ts'

export interface Streams {
  /** Each stream in its order. Only of checkouts that are whole. */
  readonly commits: ReadonlyMap<Service, readonly NewCommit[]>
  /** What the commits were made from. */
  readonly messages: readonly ChosenMessage[]
  /** Checkouts of which something is missing: the topics keep messages only for a while, or some could not be read. */
  readonly incomplete: readonly string[]
  /** Ids of messages that no service has written: they are of no commit. */
  readonly strangers: readonly string[]
}

/** `users/<checkoutId>@2/0` */
const idPattern = /^(?<service>\w+)\/(?<checkoutId>[\w-]+)@(?<version>[1-9]\d{0,8})\/(?<index>\d{1,4})$/

interface Place {
  readonly service: Service
  readonly version: number
  readonly index: number
}

function placeIn({ recorded: { id, checkoutId }, message: { headers } }: ChosenMessage): Place | undefined {
  const { service, version, index, ...named } = idPattern.exec(id)?.groups ?? {}
  const known = services.find((name) => name === service)
  if (!known || named.checkoutId !== checkoutId || headers.ce_source !== `/sagascope/${known}`)
    return undefined
  return { service: known, version: Number(version), index: Number(index) }
}

/** @param messages each event once */
export function streamsOf(messages: readonly ChosenMessage[]): Streams {
  const placed = messages.map((chosen) => ({ chosen, place: placeIn(chosen) }))
  const ours = placed.flatMap(({ chosen, place }) => (place ? [{ chosen, ...place }] : []))
  const causes = causesAmong(ours.map(({ chosen }) => chosen.recorded))

  const commits = new Map<Service, NewCommit[]>(services.map((service) => [service, []]))
  const incomplete: string[] = []
  const whole: ChosenMessage[] = []
  for (const [checkoutId, ofCheckout] of Map.groupBy(ours, ({ chosen }) => chosen.recorded.checkoutId)) {
    const streams = [...Map.groupBy(ofCheckout, ({ service }) => service)].map(
      ([service, events]) => [service, commitsOf(checkoutId, events, causes)] as const,
    )
    const isWhole = streams.some(([service]) => service === 'checkout')
    if (!isWhole || streams.some(([, stream]) => stream === undefined)) {
      incomplete.push(checkoutId)
      continue
    }
    for (const [service, stream] of streams) commits.get(service)?.push(...(stream ?? []))
    whole.push(...ofCheckout.map(({ chosen }) => chosen))
  }
  const strangers = placed.filter(({ place }) => !place).map(({ chosen }) => chosen.recorded.id)
  return { commits, messages: whole, incomplete, strangers }
}

type PlacedEvent = Place & { readonly chosen: ChosenMessage }

/** One stream of one checkout; undefined when something of it is missing. */
function commitsOf(
  checkoutId: string,
  events: readonly PlacedEvent[],
  causes: ReadonlyMap<string, string>,
): NewCommit[] | undefined {
  const byVersion = [...Map.groupBy(events, ({ version }) => version)].sort(([a], [b]) => a - b)
  const stream: NewCommit[] = []
  for (const [version, ofCommit] of byVersion) {
    const inOrder = ofCommit.sort((a, b) => a.index - b.index)
    const first = inOrder[0]?.chosen
    if (!first || version !== stream.length + 1) return undefined
    if (inOrder.some(({ index }, expected) => index !== expected)) return undefined
    const { id, time, causedBy, event } = first.recorded
    stream.push({
      checkoutId,
      version,
      causedBy:
        causedBy ?? fromOutside(event.type, checkoutId) ?? causes.get(id) ?? `not-on-the-topics/${id}`,
      at: new Date(time),
      events: inOrder.map(({ chosen }) => chosen.recorded.event),
      traceHeaders: traceHeadersOf(first),
    })
  }
  return stream
}

/** What no event has led to, as the gateway and the checkout service call it. For messages that do not say so themselves. */
function fromOutside(type: EventType, checkoutId: string): string | undefined {
  if (type === 'CheckoutRequested') return `request/${checkoutId}`
  return type === 'CheckoutExpired' ? `deadline/${checkoutId}` : undefined
}

/** Of the trace in which the commit was made; the span is the one that sent the message. */
export function traceHeadersOf(chosen: ChosenMessage): TraceHeaders {
  const { headers } = chosen.message
  if (headers['replay-of'] !== undefined) {
    const traceparent = traceparentOf(firstSenderOf(chosen))
    return traceparent === undefined ? {} : { traceparent }
  }
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return Object.fromEntries(entries.filter(([name]) => propagationHeaders.includes(name)))
}
