import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { PoisonMessage } from '../cloud-events.ts'
import { handlingOf, incoming } from '../handling-for-tests.ts'
import type { Handler } from '../handler.ts'
import type { SendDeadLetter } from './dead-letter.ts'
import { deadLettered } from './dead-letter.ts'

type DeadLetter = Parameters<SendDeadLetter>[0]

function mailbox(): { letters: DeadLetter[]; send: SendDeadLetter } {
  const letters: DeadLetter[] = []
  return {
    letters,
    send: (letter) => {
      letters.push(letter)
      return Promise.resolve()
    },
  }
}

const failingWith =
  (error: Error): Handler =>
  () =>
    Promise.reject(error)

describe('the dead-letter topic', () => {
  it('gets nothing that was handled', async () => {
    const { letters, send } = mailbox()
    const handler: Handler = () => Promise.resolve('answered')
    equal(await deadLettered('sagascope-users', send)(handler)(handlingOf().handling), 'answered')
    deepEqual(letters, [])
  })

  it('gets what cannot be handled as it came, with where it came from and why', async () => {
    const { letters, send } = mailbox()
    const message = incoming({ value: Buffer.from([0xff, 0x00, 0x7b]) })
    const handler = failingWith(new PoisonMessage('not_json', 'the value of 3 bytes is not JSON'))
    equal(await deadLettered('sagascope-users', send)(handler)(handlingOf(message).handling), 'dead-lettered')
    deepEqual(letters, [
      {
        topic: 'dead-letters',
        key: message.key,
        value: message.value,
        headers: {
          ...message.headers,
          'dead-letter-origin-topic': 'orders',
          'dead-letter-origin-partition': '3',
          'dead-letter-origin-offset': '42',
          'dead-letter-consumer-group': 'sagascope-users',
          'dead-letter-error-code': 'not_json',
          'dead-letter-error-message': 'the value of 3 bytes is not JSON',
        },
      },
    ])
  })

  it('gets a tombstone without a key as one', async () => {
    const { letters, send } = mailbox()
    const message = incoming({ key: undefined, value: null, headers: {} })
    const handler = failingWith(new PoisonMessage('not_a_cloud_event', 'ce_type is missing'))
    await deadLettered('sagascope-users', send)(handler)(handlingOf(message).handling)
    deepEqual(
      letters.map(({ key, value }) => [key, value]),
      [[null, null]],
    )
  })

  it('gets the name of an error that has no code, and not all of a long message', async () => {
    const { letters, send } = mailbox()
    const handler = failingWith(new RangeError('x'.repeat(5_000)))
    await deadLettered('sagascope-users', send)(handler)(handlingOf().handling)
    equal(letters[0]?.headers['dead-letter-error-code'], 'RangeError')
    equal(letters[0].headers['dead-letter-error-message'], 'x'.repeat(1_000))
  })

  it('says in the log that it got one, and nothing of its content', async () => {
    const { send } = mailbox()
    const { handling, lines } = handlingOf(incoming({ value: Buffer.from('ada@people.example') }))
    await deadLettered('sagascope-users', send)(failingWith(new Error('some fault')))(handling)
    deepEqual(
      lines.map((line) => line['event.name']),
      ['message.dead_lettered'],
    )
    ok(!JSON.stringify(lines).includes('people.example'))
  })

  it('does not get what only waits for a server', async () => {
    const { letters, send } = mailbox()
    const handler = failingWith(Object.assign(new Error('store away'), { retriable: true }))
    await rejects(deadLettered('sagascope-users', send)(handler)(handlingOf().handling), /store away/)
    deepEqual(letters, [])
  })

  it('does not get what was given up because the process drains', async () => {
    const { letters, send } = mailbox()
    const { handling, drain } = handlingOf()
    drain()
    const handler = failingWith(new Error('aborted'))
    await rejects(deadLettered('sagascope-users', send)(handler)(handling), /aborted/)
    deepEqual(letters, [])
  })

  it('that cannot be reached fails the message, which is then delivered again', async () => {
    const send: SendDeadLetter = () => Promise.reject(new Error('Kafka away'))
    const { handling, lines } = handlingOf()
    const handler = failingWith(new Error('some fault'))
    await rejects(deadLettered('sagascope-users', send)(handler)(handling), /Kafka away/)
    deepEqual(lines, [])
  })
})
