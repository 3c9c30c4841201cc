/** What makes the services come by their failpoints: checkouts of every kind, and messages that nobody can read. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { EventType, Service } from '../../shared/saga/events.ts'
import { topicOf } from '../../shared/saga/events.ts'
import { flow, keeperOf } from '../../shared/saga/flow.ts'
import { cloudEventType } from '../../shared/kafka/cloud-events.ts'
import type { ProducerMessage } from '../../shared/kafka/kafka.ts'
import { sampleCheckout } from '../verify/checkouts.ts'
import type { Client } from './clients.ts'
import { newClient, placeAsClient } from './clients.ts'
import type { End } from './evidence.ts'

interface Kind {
  readonly expects: End
  readonly changes?: { readonly token?: string; readonly sku?: string }
  readonly domain?: string
  /** Several checkouts of one person. */
  readonly sharesEmail?: boolean
}

const completed: Kind = { expects: 'completed' }
const declined: Kind = { expects: 'compensated', changes: { token: 'tok_declined' } }
const kinds: readonly Kind[] = [
  completed,
  declined,
  { expects: 'compensated', changes: { sku: 'SAGA-POSTER' } },
  { ...completed, sharesEmail: true },
  { expects: 'rejected', domain: 'blocked.example' },
  { expects: 'completed', changes: { token: 'tok_slow' } },
  { ...declined, sharesEmail: true },
  { expects: 'completed', changes: { token: 'tok_flaky' } },
]
const sharedEmails = 5

const mostUnderWay = 20
/** Longer than any gateway stays away. */
const patienceMillis = 180_000

export class Traffic {
  readonly #told: Client[] = []
  readonly #gatewayUrls: readonly string[]
  readonly #underWay = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  readonly #never = new AbortController()
  #running: Promise<void> = Promise.resolve()

  /** @param gatewayUrls taken in turn */
  constructor(gatewayUrls: readonly string[]) {
    this.#gatewayUrls = gatewayUrls
  }

  /** What each client was told; grows. */
  get told(): readonly Client[] {
    return this.#told
  }

  /** Places checkouts at a steady rate, of every kind at every gateway; it waits while too many have no answer. */
  start(intervalMillis: number): void {
    const { signal } = this.#stopping
    this.#running = (async () => {
      for (let index = 0; !signal.aborted; index++) {
        const gateway = index % this.#gatewayUrls.length
        const kind = kinds[Math.floor(index / this.#gatewayUrls.length) % kinds.length]
        if (this.#underWay.size < mostUnderWay) void this.place(gateway, kind)
        await delay(intervalMillis, undefined, { signal }).catch(() => undefined)
      }
    })()
  }

  /** Places no more, and waits until every client has its answer. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await Promise.all(this.#underWay)
  }

  /**
   * Places one checkout, and asks again under its Idempotency-Key until there is an answer.
   * @param gateway by its place among the URLs given
   * @returns its id, if it was accepted
   */
  async place(gateway: number, kind: Kind = completed): Promise<string | undefined> {
    const { expects, changes, domain = 'example.com', sharesEmail = false } = kind
    const number = this.#told.length
    const marker = `Crash ${number}`
    const email = `${sharesEmail ? `shared-${number % sharedEmails}` : `crash-${number}`}@${domain}`
    const request = { ...sampleCheckout({ email, ...changes }), user: { email, name: marker } }
    const plan = { marker, request, idempotencyKey: randomUUID(), repeats: 0, expects }
    const client = newClient(plan)
    this.#told.push(client)

    const placing = placeAsClient(client, plan, {
      gatewayUrl: this.#gatewayUrls[gateway] ?? '',
      timeoutMillis: 10_000,
      patienceMillis,
      signal: this.#never.signal,
    })
    this.#underWay.add(placing)
    await placing.finally(() => this.#underWay.delete(placing))
    const last = client.answers.at(-1)
    return last?.kind === 'accepted' ? last.checkoutId : undefined
  }
}

const poisonKey = 'poison-'

export const isPoison = ({ key }: { readonly key: string | null }): boolean =>
  key?.startsWith(poisonKey) === true

/** A message of a type that this service reacts to and keeps the dead letters of, with nothing to read in it. */
export function poisonFor(service: Service): ProducerMessage {
  const type = flow
    .filter((row) => row.by === service)
    .flatMap((row): readonly (EventType | 'DeadlinePassed')[] => row.on)
    .find((on): on is EventType => on !== 'DeadlinePassed' && keeperOf(topicOf[on], on) === service)
  if (!type) throw new Error(`${service} keeps no type's dead letters`)
  return {
    topic: topicOf[type],
    key: `${poisonKey}${randomUUID()}`,
    value: 'not JSON',
    headers: { ce_type: cloudEventType(type) },
  }
}
