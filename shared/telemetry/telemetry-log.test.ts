import { deepEqual, doesNotThrow, equal, match, ok } from 'node:assert/strict'
import { createTelemetryLog } from './telemetry-log.ts'

interface Line {
  readonly level: number
  readonly msg: string
  readonly unsaid?: number
}

describe('the log of telemetry’s own failures', () => {
  let lines: string[]
  let time: number
  beforeEach(() => {
    lines = []
    time = Date.parse('2026-11-01T00:00:00Z')
  })
  const open = () => createTelemetryLog('users', { write: (line) => lines.push(line), now: () => time })
  const said = () => lines.map((line) => JSON.parse(line) as Line)
  const messages = () => said().map(({ msg }) => msg)

  it('has lines as the service’s own, each with the same event name', () => {
    open().warn('Dropped 7 spans because maxQueueSize reached')
    match(lines.join(''), /^[^\n]*\}\n$/)
    const { hostname, pid, ...line } = JSON.parse(lines.join('')) as Record<string, unknown>
    ok(hostname !== undefined && pid === process.pid)
    deepEqual(line, {
      name: 'users',
      level: 40,
      'event.name': 'telemetry.failed',
      msg: 'Dropped 7 spans because maxQueueSize reached',
      time: '2026-11-01T00:00:00.000Z',
      v: 0,
    })
  })

  it('says an error’s code and message, and nothing that the Collector has answered', () => {
    const log = open()
    const error = Object.assign(new Error('Bad Request'), { code: 400, data: 'ada@example.com' })
    log.error('exporter', error)
    log.error(JSON.stringify({ stack: 'at ada', message: 'refused', code: 'ECONNREFUSED' }))
    log.error('{ not JSON')
    log.warn('odd answer', Buffer.from('ada'), undefined, { ada: 1 })
    deepEqual(messages(), ['exporter: 400 Bad Request', 'ECONNREFUSED refused', '{ not JSON', 'odd answer'])
  })

  it('says a failure that repeats once a minute, with how often it was not said', () => {
    const log = open()
    for (let times = 0; times < 1_000; times++) {
      log.error(`connect ECONNREFUSED after ${times} ms`)
      log.warn(`span ${times.toString(16).padStart(16, '7')} has ended`)
    }
    deepEqual(messages(), ['connect ECONNREFUSED after 0 ms', 'span 7777777777777770 has ended'])
    time += 60_000
    log.error('connect ECONNREFUSED after 3 ms')
    equal(said().at(-1)?.unsaid, 999)
    equal(lines.length, 3)
  })

  it('says what is merely told for developers not at all', () => {
    const log = open()
    log.info('a')
    log.debug('b')
    log.verbose('c')
    deepEqual(lines, [])
  })

  it('does not grow with the number of different failures', () => {
    const log = open()
    const letters = (index: number) => index.toString(2).replaceAll('0', 'a').replaceAll('1', 'b')
    for (let index = 0; index < 5_000; index++) log.warn(letters(index).padEnd(9_000, '.'))
    equal(lines.length, 5_000)
    ok(lines.every((line) => line.length < 4_500))
    log.warn(letters(4_999).padEnd(9_000, '.'))
    equal(lines.length, 5_000, 'the latest are still known')
  })

  it('never throws, whatever it is told and whatever becomes of its lines', () => {
    const broken = createTelemetryLog('users', {
      write: () => {
        throw new Error('standard output is closed')
      },
    })
    const hostile = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('no message')
      },
    })
    doesNotThrow(() => broken.error('a'))
    doesNotThrow(() => open().error(hostile as unknown as string, Symbol('s'), 1n))
  })
})
