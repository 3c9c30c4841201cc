/**
 * Failpoints: the named places of the runtime at which a process can be told to die, so that what a crash there leaves
 * behind can be tried out. After FreeBSD's fail(9), as in MongoDB and TiKV.
 *
 * `FAILPOINT=<name>` in the environment arms one of them, `FAILPOINT=<name>@<n>` at its n-th arrival. The process then
 * kills itself by SIGKILL, in the middle of it all: nothing is flushed, closed or given back. Unarmed, as always
 * outside the tests of infra/chaos, a failpoint is a call of an empty function.
 */
import { writeSync } from 'node:fs'
import type { Service } from '../saga/events.ts'
import { services } from '../saga/events.ts'

/** The processes that have failpoints. */
export type ProcessName = 'gateway' | Service

interface Description {
  readonly name: string
  /** Whose code comes by. */
  readonly in: readonly ProcessName[]
  readonly at: string
  readonly leaves: string
}

const everybody = ['gateway', ...services] as const

export const failpoints = [
  {
    name: 'request-read',
    in: ['gateway'],
    at: 'a request is read and found right, and nothing is written yet',
    leaves: 'nothing; the client has no answer and asks again',
  },
  {
    name: 'request-committed',
    in: ['gateway'],
    at: 'the checkout is in the store, the 202 is not sent',
    leaves:
      'a checkout that its client knows nothing of; others publish it, asking again with the key finds it',
  },
  {
    name: 'request-answered',
    in: ['gateway'],
    at: 'the 202 is out, the request is not on Kafka',
    leaves: 'a promise in the store alone; others publish it',
  },
  {
    name: 'message-received',
    in: services,
    at: 'a message is there, nothing is done about it',
    leaves: 'nothing; it is delivered again',
  },
  {
    name: 'stream-known',
    in: services,
    at: 'the stream is read or remembered, the outside world is not asked',
    leaves: 'nothing; the message is delivered again',
  },
  {
    name: 'consulted',
    in: services,
    at: 'the outside world has answered, nothing is decided',
    leaves: 'what the outside world did; asked again it answers the same',
  },
  {
    name: 'decided',
    in: services,
    at: 'the events are decided, not committed',
    leaves: 'the same; the message is delivered again and decided again',
  },
  {
    name: 'committed',
    in: services,
    at: 'the answer is committed, not on Kafka',
    leaves:
      'an unpublished commit; the message that is delivered again finds it and publishes it, or others do',
  },
  {
    name: 'batch-inserted',
    in: everybody,
    at: 'a batch of documents is in the store, none of those who wait for them knows',
    leaves:
      'commits that their writer has not published; delivered or asked again they are found, and published',
  },
  {
    name: 'send-acknowledged',
    in: everybody,
    at: 'Kafka has taken a request of merged sends, none of those who wait for them knows',
    leaves: 'commits above the watermark that are published once more, under the same event ids',
  },
  {
    name: 'published',
    in: everybody,
    at: 'a commit is on Kafka, and still counts as pending',
    leaves: 'a commit above the watermark that is published once more, under the same event ids',
  },
  {
    name: 'watermark-due',
    in: everybody,
    at: 'the watermark is about to be written',
    leaves: 'commits above the last watermark, which are published once more',
  },
  {
    name: 'watermark-written',
    in: everybody,
    at: 'the watermark is in the store',
    leaves: 'nothing to publish below it; messages may be delivered again',
  },
  {
    name: 'handled',
    in: services,
    at: 'a message is answered, its offset is not noted',
    leaves: 'a message that is delivered again and found done',
  },
  {
    name: 'offsets-due',
    in: services,
    at: 'offsets are noted and about to be committed',
    leaves: 'messages that are delivered again and found done',
  },
  {
    name: 'offsets-committed',
    in: services,
    at: 'offsets are committed',
    leaves: 'a group that goes on right there; nothing may have been committed ahead of the store',
  },
  {
    name: 'sweep-read',
    in: everybody,
    at: 'what a dead writer left is read, and none of it is published',
    leaves: 'the same for whoever looks next',
  },
  {
    name: 'sweep-published',
    in: everybody,
    at: 'one commit of a dead writer is published, and its watermark is not raised',
    leaves: 'commits that whoever looks next publishes once more',
  },
  {
    name: 'dead-letter-sent',
    in: services,
    at: 'a dead letter is sent, the offset of its message is not noted',
    leaves: 'a message that is delivered again, and a second dead letter of the same origin',
  },
  {
    name: 'claim-asked',
    in: ['users'],
    at: 'the email register is about to be asked for a claim',
    leaves: 'nothing',
  },
  {
    name: 'claim-entered',
    in: ['users'],
    at: 'a claim is in the email register, the stream does not know',
    leaves: 'a claim under its receipt; claimed again it is the same claim, released it is given back',
  },
  {
    name: 'release-asked',
    in: ['users'],
    at: 'the email register is about to be asked to release a claim',
    leaves: 'a claim that is still relied on',
  },
  {
    name: 'release-entered',
    in: ['users'],
    at: 'a release is in the email register, the stream does not know',
    leaves: 'a release under its receipt; released again it is the same release',
  },
  {
    name: 'bar-entered',
    in: ['users'],
    at: 'an order was cancelled before its checkout came: the claim to come is barred, the stream does not know',
    leaves: 'a bar under the receipt of the claim; the checkout, when it comes, registers nobody',
  },
  {
    name: 'bar-refused',
    in: ['users'],
    at: 'the same, but a claim had been made before an earlier crash; it is not released yet',
    leaves: 'a claim that the stream does not know; barring it again finds it again',
  },
  {
    name: 'capture-asked',
    in: ['payments'],
    at: 'the payment network is about to be asked to capture',
    leaves: 'nothing',
  },
  {
    name: 'capture-answered',
    in: ['payments'],
    at: 'money is captured, the stream does not know',
    leaves: 'a capture in the ledger of the network; asked again it answers the same',
  },
  {
    name: 'cancel-asked',
    in: ['payments'],
    at: 'the payment network is about to be asked to cancel',
    leaves: 'nothing',
  },
  {
    name: 'refund-due',
    in: ['payments'],
    at: 'inside the network: it knows that there was a capture, and has not refunded it',
    leaves: 'a capture; cancelled again it is refunded',
  },
  {
    name: 'cancel-answered',
    in: ['payments'],
    at: 'a payment is refunded or barred, the stream does not know',
    leaves: 'that in the ledger of the network; asked again it answers the same',
  },
  {
    name: 'deadline-entered',
    in: ['checkout'],
    at: 'the deadline of a checkout is stored, its message is not handled',
    leaves: 'a deadline; entered again it stays what it is',
  },
  {
    name: 'deadline-due',
    in: ['checkout'],
    at: 'a deadline has passed, the expiry is not committed',
    leaves: 'a deadline that is due at the next check',
  },
  {
    name: 'expiry-committed',
    in: ['checkout'],
    at: 'an expiry is committed, not on Kafka',
    leaves: 'an unpublished commit, which others publish, and a deadline that finds its checkout expired',
  },
  {
    name: 'expiry-dealt-with',
    in: ['checkout'],
    at: 'expiries are published, their deadlines are not cleared',
    leaves: 'deadlines that find their checkouts expired',
  },
] as const satisfies readonly Description[]

export type Failpoint = (typeof failpoints)[number]['name']

interface Armed {
  readonly name: Failpoint
  /** Dies at this arrival, counted from 1. */
  readonly arrival: number
}

export class UnknownFailpoint extends Error {
  readonly code = 'unknown_failpoint'
}

/**
 * @param value of FAILPOINT: `<name>` or `<name>@<n>`, n from 1; empty or missing arms nothing
 * @throws UnknownFailpoint
 */
export function readFailpoint(value: string | undefined): Armed | undefined {
  if (value === undefined || value === '') return undefined
  const { name, arrival = '1' } = /^(?<name>[a-z-]+)(?:@(?<arrival>[1-9]\d{0,8}))?$/.exec(value)?.groups ?? {}
  const known = failpoints.find((each) => each.name === name)
  if (known) return { name: known.name, arrival: Number(arrival) }
  throw new UnknownFailpoint(
    `FAILPOINT=${JSON.stringify(value)} is refused: it is <name> or <name>@<arrival, from 1>, the name one of ` +
      failpoints.map((each) => each.name).join(', '),
  )
}

/** What the process writes on standard error before it dies, for whoever has armed it. */
export const lastWords = (name: Failpoint): string => `killed at failpoint ${name}`

function dieAt({ name, arrival }: Armed): (arrivedAt: Failpoint) => void {
  let arrivals = 0
  return (arrivedAt) => {
    if (arrivedAt !== name || ++arrivals !== arrival) return
    try {
      writeSync(2, `${lastWords(name)}\n`)
    } finally {
      process.kill(process.pid, 'SIGKILL')
    }
  }
}

const armed = readFailpoint(process.env.FAILPOINT)

/** Kills the process here when it was started for that; otherwise does nothing. */
export const failpoint: (name: Failpoint) => void = armed ? dieAt(armed) : () => undefined
