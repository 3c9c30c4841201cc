import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { eventually } from '../../../infra/verify/eventually.ts'
import { handlingOf, incoming } from '../handling-for-tests.ts'
import type { Handler } from '../handler.ts'
import { defaultTimings } from '../timings.ts'
import type { RetryPolicy } from './retry.ts'
import { defaultRetryPolicy, retried } from './retry.ts'

const policy: RetryPolicy = { firstDelayMillis: 1, longestDelayMillis: 2, attempts: 3 }

/** Fails so many times with one error, then answers. */
function failing(times: number, error: Error): { handler: Handler; attempts: () => number } {
  let attempts = 0
  return {
    handler: () => {
      attempts += 1
      return attempts <= times ? Promise.reject(error) : Promise.resolve('answered')
    },
    attempts: () => attempts,
  }
}

const saying = (retriable: boolean) => Object.assign(new Error(`retriable: ${retriable}`), { retriable })

describe('a message that could not be handled', () => {
  it('is not tried again when it was', async () => {
    const { handler, attempts } = failing(0, new Error())
    equal(await retried(policy)(handler)(handlingOf().handling), 'answered')
    equal(attempts(), 1)
  })

  it('is tried again, and each try is logged with the reason of the last', async () => {
    const { handler } = failing(2, new Error('some fault'))
    const { handling, lines } = handlingOf()
    equal(await retried(policy)(handler)(handling), 'answered')
    deepEqual(
      lines.map((line) => [line['event.name'], line.attempt, (line.err as Error).message]),
      [
        ['message.retried', 1, 'some fault'],
        ['message.retried', 2, 'some fault'],
      ],
    )
  })

  it('fails after its attempts when nobody said that it will pass', async () => {
    const { handler, attempts } = failing(Infinity, new Error('some fault'))
    await rejects(retried(policy)(handler)(handlingOf().handling), /some fault/)
    equal(attempts(), 3)
  })

  it('says how often it was tried, for whoever writes its dead letter', async () => {
    const { handler } = failing(Infinity, new Error('some fault'))
    const { handling } = handlingOf()
    await rejects(retried(policy)(handler)(handling), /some fault/)
    equal(handling.attempts.made, 3)
  })

  it('fails at once when the error says that it will never pass', async () => {
    const { handler, attempts } = failing(10, saying(false))
    await rejects(retried(policy)(handler)(handlingOf().handling), /retriable: false/)
    equal(attempts(), 1)
  })

  it('is tried beyond its attempts when the error says that it will pass', async () => {
    const { handler, attempts } = failing(20, saying(true))
    equal(await retried(policy)(handler)(handlingOf().handling), 'answered')
    equal(attempts(), 21)
  })

  it('has the whole budget for its own failures, however long it has waited for a server before', async () => {
    let attempts = 0
    const handler: Handler = () => {
      attempts += 1
      return Promise.reject(attempts <= 10 ? saying(true) : new Error('some fault'))
    }
    await rejects(retried(policy)(handler)(handlingOf().handling), /some fault/)
    equal(attempts, 10 + policy.attempts)
  })

  it('never pauses for more than half a session', () => {
    ok(defaultRetryPolicy.longestDelayMillis <= defaultTimings.sessionTimeoutMillis / 2)
  })

  it('sends a heartbeat between two tries, so that the broker waits with it', async () => {
    const { handler } = failing(4, saying(true))
    const { handling, heartbeats } = handlingOf()
    await retried(policy)(handler)(handling)
    equal(heartbeats(), 4)
  })

  it('is given up when the broker refuses a heartbeat: it may be somebody else’s by now', async () => {
    const { handler, attempts } = failing(10, saying(true))
    const { handling } = handlingOf(incoming(), () => Promise.reject(new Error('partition lost')))
    await rejects(retried(policy)(handler)(handling), /partition lost/)
    equal(attempts(), 1)
  })

  it('waits longer each time, up to a limit, and never all of them the same', async () => {
    const waits: number[] = []
    const random = Math.random
    const clock = performance
    let last = clock.now()
    Math.random = () => 1 // the longest of the waits that chance may choose
    try {
      const handler: Handler = () => {
        waits.push(clock.now() - last)
        last = clock.now()
        return waits.length <= 4 ? Promise.reject(saying(true)) : Promise.resolve('answered')
      }
      await retried({ firstDelayMillis: 20, longestDelayMillis: 70, attempts: 1 })(handler)(
        handlingOf().handling,
      )
    } finally {
      Math.random = random
    }
    // At least: a loaded machine may make any of them longer.
    for (const [index, least] of [20, 40, 70, 70].entries())
      ok((waits[index + 1] ?? 0) >= least - 2, String(waits))

    Math.random = () => 0
    try {
      const { handler } = failing(50, saying(true))
      const longMillis = 20_000
      await retried({ firstDelayMillis: longMillis, longestDelayMillis: longMillis, attempts: 1 })(handler)(
        handlingOf().handling,
      )
    } finally {
      Math.random = random
    }
  })

  it('stops waiting when the process drains', async () => {
    const { handler, attempts } = failing(10, saying(true))
    const { handling, drain } = handlingOf()
    const longMillis = 20_000
    const outcome = retried({ firstDelayMillis: longMillis, longestDelayMillis: longMillis, attempts: 1 })(
      handler,
    )(handling)
    const rejected = rejects(outcome)
    await eventually('the first try', () => Promise.resolve(attempts() === 1 || undefined), {
      intervalMillis: 1,
    })
    drain()
    await rejected
    equal(attempts(), 1)
  })

  it('is not tried again once the process drains', async () => {
    const { handling, drain } = handlingOf()
    let attempts = 0
    const handler: Handler = () => {
      attempts += 1
      drain()
      return Promise.reject(saying(true))
    }
    await rejects(retried(policy)(handler)(handling), /retriable: true/)
    equal(attempts, 1)
  })
})
