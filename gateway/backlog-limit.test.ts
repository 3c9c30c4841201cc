import { doesNotThrow, throws } from 'node:assert/strict'
import { BacklogLimit } from './backlog-limit.ts'

describe('the limit of the backlog', () => {
  let waiting = { commits: 0, oldestAgeMillis: 0 }
  let limit: BacklogLimit
  beforeEach(() => {
    limit = new BacklogLimit({ commits: 100, ageMillis: 1_000 }, () => waiting)
  })

  const accepts = (commits: number, oldestAgeMillis: number): void => {
    waiting = { commits, oldestAgeMillis }
    doesNotThrow(() => limit.requireRoom())
  }
  const refuses = (commits: number, oldestAgeMillis: number): void => {
    waiting = { commits, oldestAgeMillis }
    throws(() => limit.requireRoom(), {
      code: 'backlog_full',
      status: 503,
      retriable: true,
      headers: { 'Retry-After': '10' },
    })
  }

  it('lets a short outage of Kafka pass unnoticed', () => {
    accepts(0, 0)
    accepts(99, 999)
  })

  it('is reached by number', () => refuses(100, 10))

  it('is reached by age', () => refuses(1, 1_000))

  it('stays reached until both are down by half', () => {
    refuses(100, 1_000)
    refuses(51, 100)
    refuses(10, 501)
    accepts(50, 500)
    accepts(99, 999)
    refuses(100, 0)
  })
})
