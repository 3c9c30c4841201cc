/**
 * Holds a run's evidence against the promises. Pure, and written without the services' own code: a checker that asked
 * their tables and deciders would agree with their mistakes.
 */
import { isDeepStrictEqual } from 'node:util'
import type {
  Answer,
  End,
  Evidence,
  LedgerEntry,
  ServiceWithStore,
  StoredCommit,
  StoredEvent,
} from './evidence.ts'
import { topicOfService } from './evidence.ts'

/** What can be wrong, and what each means; the order is that of the report. */
export const findingKinds = {
  lost: 'told 202, and the store does not know it',
  'not-terminal': 'in the store, and never came to an end',
  'several-ends': 'came to more than one end',
  'wrong-end': 'came to another end than it asked for, and had not expired',
  'captured-twice': 'money taken more than once',
  'money-left': 'taken back, and its money does not net zero',
  'completed-without-capture': 'completed, and no money was taken',
  'wrong-amount': 'completed, and other money was taken than was ordered',
  'captured-but-declined': 'money taken, and the store says declined',
  'idempotency-broken': 'one Idempotency-Key, several checkouts',
  unasked: 'in the store, and no client asked for it, or it was refused',
  'answered-twice': 'one message, answered by two commits',
  gap: 'a version is missing from a stream',
  'not-published': 'a commit whose message is not on its topic',
  'not-committed': 'a message of no commit',
  'message-differs': 'a message that is not what was committed, or lies where it should not',
  'out-of-order':
    'a stream whose events first appear on their topic in another order than they were committed in',
  'register-inconsistent': 'the register of emails and the checkouts contradict each other',
  'dead-letter': 'a dead letter, where nothing was wrong with any message',
} as const

export type FindingKind = keyof typeof findingKinds

export interface Finding {
  readonly kind: FindingKind
  /** A checkout's id, or what else it is about. */
  readonly about: string
  readonly detail: string
}

export interface Counts {
  /** Checkouts that were told 202, and those that never got an answer to know by. */
  readonly accepted: number
  readonly unanswered: number
  readonly refused: number
  /** Answers that repeated an earlier 202. */
  readonly repeatedAnswers: number
  /** Requests that got no answer, or a failure: how often, by status or error. */
  readonly failedRequests: Readonly<Record<string, number>>
  readonly ended: Readonly<Record<End, number>>
  /** Of those that ended: compensated because their deadline had passed. */
  readonly expired: number
  readonly messages: number
  /** Copies on the topics beyond the first. */
  readonly duplicateMessages: number
  readonly commits: number
  /** When the last checkout came to its end, milliseconds since the epoch. */
  readonly lastEndAtMillis: number | undefined
}

export interface Verdict {
  readonly findings: readonly Finding[]
  readonly counts: Counts
}

const endOf: Readonly<Record<string, End>> = {
  CheckoutCompleted: 'completed',
  CheckoutCompensated: 'compensated',
  CheckoutRejected: 'rejected',
}

/** One checkout as the store has it. */
interface Checkout {
  readonly id: string
  readonly streams: ReadonlyMap<ServiceWithStore, readonly StoredCommit[]>
  readonly ends: readonly { readonly end: End; readonly reason: unknown; readonly atMillis: number }[]
  /** The only end, if there is one. */
  readonly end: End | undefined
}

export function check(evidence: Evidence): Verdict {
  const checkouts = toCheckouts(evidence.commits)
  const topics = checkTopics(evidence)
  const findings = [
    ...checkPromises(evidence, checkouts),
    ...[...checkouts.values()].flatMap(checkStreams),
    ...checkMoney(evidence, checkouts),
    ...topics.findings,
    ...checkOrder(evidence),
    ...checkRegister(evidence, checkouts),
    ...evidence.deadLetters.map(({ origin, consumerGroup, error }) =>
      finding('dead-letter', origin, `${error ?? 'no code'}, from ${consumerGroup ?? 'nobody'}`),
    ),
  ]
  const order = Object.keys(findingKinds)
  findings.sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind))
  return { findings, counts: { ...countAnswers(evidence), ...countEnds(checkouts), ...topics.counts } }
}

const finding = (kind: FindingKind, about: string, detail: string): Finding => ({ kind, about, detail })

function toCheckouts(commits: readonly StoredCommit[]): Map<string, Checkout> {
  return new Map(
    [...grouped(commits, ({ checkoutId }) => checkoutId)].map(([id, all]) => {
      const streams = grouped(all, ({ service }) => service)
      for (const stream of streams.values()) stream.sort((one, other) => one.version - other.version)
      const ends = (streams.get('checkout') ?? []).flatMap(({ events, atMillis }) =>
        events.flatMap(({ type, data }) => {
          const end = endOf[type]
          return end ? [{ end, reason: data.reason, atMillis }] : []
        }),
      )
      return [id, { id, streams, ends, end: ends.length === 1 ? ends[0]?.end : undefined }]
    }),
  )
}

const eventsOf = (checkout: Checkout, service: ServiceWithStore): readonly StoredEvent[] =>
  (checkout.streams.get(service) ?? []).flatMap(({ events }) => events)

const findEvent = (checkout: Checkout, service: ServiceWithStore, type: string): StoredEvent | undefined =>
  eventsOf(checkout, service).find((event) => event.type === type)

/** Clients' side: what was promised to them, and whether it was kept. */
function checkPromises({ told }: Evidence, checkouts: ReadonlyMap<string, Checkout>): Finding[] {
  const findings: Finding[] = []
  const byMarker = grouped([...checkouts.values()], (checkout) => markerOf(checkout) ?? '')
  const asked = new Set<string>()
  for (const { marker, hasKey, expects, answers } of told) {
    asked.add(marker)
    const stored = byMarker.get(marker) ?? []
    const promised = new Set(
      answers.flatMap((answer) => (answer.kind === 'accepted' ? [answer.checkoutId] : [])),
    )
    const wasRefused = answers.some(({ kind }) => kind === 'refused')
    for (const id of promised) {
      if (!checkouts.has(id)) findings.push(finding('lost', id, `${marker} was told 202`))
    }
    if (hasKey && new Set([...promised, ...stored.map(({ id }) => id)]).size > 1) {
      const ids = stored.map(({ id }) => id).join(', ')
      findings.push(finding('idempotency-broken', marker, `told ${[...promised].join(', ')}; stored ${ids}`))
    }
    if (wasRefused && promised.size === 0) {
      findings.push(...stored.map(({ id }) => finding('unasked', id, `${marker} was refused`)))
    }
    for (const checkout of stored) {
      const [only] = checkout.ends
      if (!expects || !only || !checkout.end || checkout.end === expects) continue
      if (checkout.end === 'compensated' && only.reason === 'checkout_expired') continue
      const detail = `${marker} is ${checkout.end} (${String(only.reason)}) and not ${expects}`
      findings.push(finding('wrong-end', checkout.id, detail))
    }
  }
  for (const [marker, strangers] of byMarker) {
    if (asked.has(marker)) continue
    findings.push(
      ...strangers.flatMap((checkout) =>
        findEvent(checkout, 'checkout', 'CheckoutRequested')
          ? [finding('unasked', checkout.id, `nobody is ${marker}`)]
          : [],
      ),
    )
  }
  return findings
}

function markerOf(checkout: Checkout): string | undefined {
  const requested = findEvent(checkout, 'checkout', 'CheckoutRequested')
  return (requested?.data.user as { name?: string } | undefined)?.name
}

function emailOf(checkout: Checkout): string | undefined {
  const requested = findEvent(checkout, 'checkout', 'CheckoutRequested')
  return (requested?.data.user as { email?: string } | undefined)?.email?.toLowerCase()
}

/** One checkout's streams, by themselves. */
function checkStreams({ id, ends, streams }: Checkout): Finding[] {
  const findings: Finding[] = []
  if (ends.length === 0) {
    const last = [...streams.values()]
      .flat()
      .sort((one, other) => one.atMillis - other.atMillis)
      .at(-1)
    const what = last?.events.map(({ type }) => type).join(', ') ?? 'nothing'
    findings.push(
      finding('not-terminal', id, `the last that happened: ${what}, by ${last?.service ?? 'nobody'}`),
    )
  }
  if (ends.length > 1) findings.push(finding('several-ends', id, ends.map(({ end }) => end).join(', ')))
  for (const [service, commits] of streams) {
    const missing = commits.findIndex(({ version }, index) => version !== index + 1)
    if (missing !== -1) findings.push(finding('gap', id, `no version ${missing + 1} of ${service}`))
    for (const [cause, answers] of grouped(commits, ({ causedBy }) => causedBy)) {
      if (answers.length === 1) continue
      findings.push(
        finding('answered-twice', id, `${cause} by ${answers.map((commit) => commit.id).join(', ')}`),
      )
    }
  }
  return findings
}

/** The network's ledger against the streams; at most one finding a checkout, the worst. */
function checkMoney({ ledger }: Evidence, checkouts: ReadonlyMap<string, Checkout>): Finding[] {
  const entries = grouped(ledger, ({ checkoutId }) => checkoutId)
  return [...new Set([...entries.keys(), ...checkouts.keys()])].flatMap(
    (id) => judgeMoney(id, entries.get(id) ?? [], checkouts.get(id)) ?? [],
  )
}

function judgeMoney(
  id: string,
  entries: readonly LedgerEntry[],
  checkout: Checkout | undefined,
): Finding | undefined {
  const amounts = (kind: string) => entries.filter((entry) => entry.kind === kind).map(({ amount }) => amount)
  const captured = amounts('captured')
  if (captured.length > 1) return finding('captured-twice', id, `${captured.join(' and ')} cents`)
  const net = sum(captured) - sum(amounts('refunded'))
  if (!checkout)
    return net === 0 ? undefined : finding('money-left', id, `${net} cents, and no such checkout`)

  const says = (type: string) => findEvent(checkout, 'payments', type) !== undefined
  if (net !== 0 && says('PaymentDeclined') && !says('PaymentCaptured')) {
    return finding('captured-but-declined', id, `${net} cents`)
  }
  if (checkout.end === 'compensated' || checkout.end === 'rejected') {
    return net === 0 ? undefined : finding('money-left', id, `${net} cents, and it is ${checkout.end}`)
  }
  if (checkout.end !== 'completed') return undefined
  if (net === 0) return finding('completed-without-capture', id, 'nothing in the ledger')
  const placed = findEvent(checkout, 'orders', 'OrderPlaced')
  const ordered = (placed?.data.total as { amount?: number } | undefined)?.amount
  return net === ordered ? undefined : finding('wrong-amount', id, `${net} cents of ${String(ordered)}`)
}

/** The topics against the store: each event once or more, as it was committed, and nothing else. */
function checkTopics({ commits, messages }: Evidence): {
  findings: Finding[]
  counts: Pick<Counts, 'messages' | 'duplicateMessages' | 'commits'>
} {
  const findings: Finding[] = []
  const copies = grouped(messages, ({ topic, partition, offset, eventId }) =>
    eventId === undefined ? `${topic}/${partition}@${offset}` : eventId,
  )
  const known = new Set<string>()
  for (const commit of commits) {
    const ids = commit.events.map((_event, index) => `${commit.id}/${index}`)
    for (const [index, id] of ids.entries()) {
      known.add(id)
      const found = copies.get(id)
      if (!found) {
        const detail = `${commit.events[index]?.type ?? '?'}, number ${commit.seq} of writer ${commit.writer}`
        findings.push(finding('not-published', id, detail))
      }
      const different = found?.find(
        (message) => !isDeepStrictEqual(shapeOf(message), expectedOf(commit, index)),
      )
      if (different) {
        findings.push(
          finding('message-differs', id, `${different.topic}/${different.partition}@${different.offset}`),
        )
      }
    }
  }
  for (const [id, [first]] of copies) {
    if (!known.has(id)) findings.push(finding('not-committed', id, first?.type ?? 'of no type'))
  }
  const counts = {
    commits: commits.length,
    messages: messages.length,
    duplicateMessages: messages.length - copies.size,
  }
  return { findings, counts }
}

const shapeOf = ({ topic, key, type, data }: Evidence['messages'][number]) => ({ topic, key, type, data })

const expectedOf = (commit: StoredCommit, index: number) => ({
  topic: topicOfService[commit.service],
  key: commit.checkoutId,
  type: commit.events[index]?.type,
  data: commit.events[index]?.data,
})

/** `<service>/<checkoutId>@<version>/<index>` */
const eventIdPattern = /^(?<stream>[^@]+)@(?<version>\d+)\/(?<index>\d+)$/

function checkOrder({ messages }: Evidence): Finding[] {
  const latest = new Map<string, number>()
  const seen = new Set<string>()
  const broken = new Map<string, string>()
  for (const { eventId } of [...messages].sort((one, other) => one.offset - other.offset)) {
    const { stream, version, index } = eventIdPattern.exec(eventId ?? '')?.groups ?? {}
    if (eventId === undefined || stream === undefined || seen.has(eventId)) continue
    seen.add(eventId)
    const position = Number(version) * 1_000 + Number(index)
    if (position < (latest.get(stream) ?? 0)) broken.set(stream, eventId)
    else latest.set(stream, position)
  }
  return [...broken].map(([stream, eventId]) => finding('out-of-order', stream, `${eventId} came late`))
}

/** One email is one user for as long as a checkout relies on it; at most one finding for each user. */
function checkRegister({ register }: Evidence, checkouts: ReadonlyMap<string, Checkout>): Finding[] {
  const findings = new Map<string, Finding>()
  const find = (user: string, detail: string) => {
    if (!findings.has(user)) findings.set(user, finding('register-inconsistent', user, detail))
  }
  const users = grouped([...checkouts.values()], (checkout) => userOf(checkout, 'UserRegistered') ?? '')
  users.delete('')
  const revokers = grouped(
    [...checkouts.values()],
    (checkout) => userOf(checkout, 'RegistrationRevoked') ?? '',
  )
  const lastEntries = new Map(
    [...register].sort((one, other) => one.version - other.version).map((entry) => [entry.email, entry]),
  )

  for (const [user, reliant] of users) {
    const completed = reliant.filter(({ end }) => end === 'completed')
    const revoked = revokers.get(user) ?? []
    if (revoked.length > 1) find(user, `revoked ${revoked.length} times`)
    if (revoked[0] && completed[0])
      find(user, `revoked by ${revoked[0].id}, and ${completed[0].id} completed with it`)
    if (reliant.every(({ end }) => end !== undefined) && completed.length === 0 && revoked.length === 0) {
      find(user, `none of its ${reliant.length} checkouts completed, and it was never revoked`)
    }
  }
  for (const { userId, claims } of lastEntries.values()) {
    const reliant = users.get(userId ?? '') ?? []
    if (userId === null || reliant.some(({ end }) => end === undefined)) continue
    const completed = reliant.filter(({ end }) => end === 'completed').length
    if (claims !== completed)
      find(userId, `${claims} claims are left, and ${completed} checkouts completed with it`)
  }
  for (const [email, all] of grouped([...checkouts.values()], (checkout) => emailOf(checkout) ?? '')) {
    const completed = all.filter(({ end }) => end === 'completed')
    const ids = new Set(completed.map((checkout) => userOf(checkout, 'UserRegistered')))
    if (email !== '' && ids.size > 1) find(email, `is ${ids.size} users: ${[...ids].join(', ')}`)
  }
  return [...findings.values()]
}

function userOf(checkout: Checkout, type: 'UserRegistered' | 'RegistrationRevoked'): string | undefined {
  return (findEvent(checkout, 'users', type)?.data.userId as string | null | undefined) ?? undefined
}

function countAnswers({ told }: Evidence) {
  const has = (kind: string) => told.filter(({ answers }) => answers.some((answer) => answer.kind === kind))
  const accepted = has('accepted')
  const refused = has('refused')
  const all = told.flatMap(({ answers }) => answers)
  const acceptances = all.filter(({ kind }) => kind === 'accepted').length
  return {
    accepted: accepted.length,
    refused: refused.length,
    unanswered: told.length - new Set([...accepted, ...refused]).size,
    repeatedAnswers: acceptances - accepted.length,
    failedRequests: Object.fromEntries(
      [...grouped(all, whyFailed)].flatMap(([why, failed]) =>
        why === undefined ? [] : [[why, failed.length]],
      ),
    ),
  }
}

function whyFailed(answer: Answer): string | undefined {
  if (answer.kind === 'none') return answer.why
  return answer.kind === 'failed' ? String(answer.status) : undefined
}

function countEnds(checkouts: ReadonlyMap<string, Checkout>) {
  const ends = [...checkouts.values()].flatMap((checkout) => checkout.ends)
  const count = (end: End) => ends.filter((each) => each.end === end).length
  return {
    ended: { completed: count('completed'), compensated: count('compensated'), rejected: count('rejected') },
    expired: ends.filter(({ reason }) => reason === 'checkout_expired').length,
    lastEndAtMillis: ends.length === 0 ? undefined : Math.max(...ends.map(({ atMillis }) => atMillis)),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

function grouped<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}
