import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { handlingOf, incoming } from '../handling-for-tests.ts'
import { logged } from './log.ts'

const error = 50
const info = 30

const withoutBunyansOwn = (line: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(line).filter(([field]) => !['name', 'hostname', 'pid', 'time', 'v'].includes(field)),
  )

describe('the log of a message', () => {
  it('is one line: what it was, where it lay, what became of it, how long it took', async () => {
    const { handling, lines } = handlingOf()
    equal(await logged(() => Promise.resolve('answered'))(handling), 'answered')
    equal(lines.length, 1)
    const { duration_ms, ...line }: Readonly<Record<string, unknown>> = lines[0] ?? {}
    ok(typeof duration_ms === 'number' && duration_ms >= 0)
    deepEqual(withoutBunyansOwn(line), {
      level: info,
      msg: 'message answered',
      'event.name': 'message.handled',
      outcome: 'answered',
      'saga.id': 'checkout-1',
      'messaging.destination.name': 'orders',
      'messaging.destination.partition.id': '3',
      'messaging.kafka.offset': '42',
      'messaging.message.id': 'orders/checkout-1@2/0',
      'cloudevents.event_type': 'dev.sagascope.OrderConfirmed.v1',
    })
  })

  it('has nothing of the content', async () => {
    const { handling, lines } = handlingOf(incoming({ value: Buffer.from('ada@people.example') }))
    await logged(() => Promise.resolve('answered'))(handling)
    ok(!JSON.stringify(lines).includes('people.example'))
  })

  it('goes by the key where a message does not name its checkout', async () => {
    const { handling, lines } = handlingOf(incoming({ headers: {} }))
    await logged(() => Promise.resolve('dead-lettered'))(handling)
    equal(lines[0]?.['saga.id'], 'checkout-1')
  })

  it('says why it failed, and the failure passes on', async () => {
    const { handling, lines } = handlingOf()
    await rejects(logged(() => Promise.reject(new Error('some fault')))(handling), /some fault/)
    equal(lines.length, 1)
    equal(lines[0]?.['event.name'], 'message.failed')
    equal(lines[0].level, error)
    equal((lines[0].err as Error).message, 'some fault')
  })

  it('takes what a drain interrupts for no failure', async () => {
    const { handling, lines, drain } = handlingOf()
    drain()
    await rejects(logged(() => Promise.reject(new Error('store away')))(handling), /store away/)
    deepEqual(
      lines.map((line) => [line['event.name'], line.level]),
      [['message.interrupted', info]],
    )
  })

  it('names the message on every line that is written while it is handled', async () => {
    const { handling, lines } = handlingOf()
    await logged(({ log }) => {
      log.warn('on the way')
      return Promise.resolve('answered')
    })(handling)
    deepEqual(
      lines.map((line) => [line.msg, line['messaging.kafka.offset']]),
      [
        ['on the way', '42'],
        ['message answered', '42'],
      ],
    )
  })
})
