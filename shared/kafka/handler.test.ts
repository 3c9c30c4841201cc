import { deepEqual, equal } from 'node:assert/strict'
import type { Middleware } from './handler.ts'
import { compose } from './handler.ts'
import { handlingOf } from './handling-for-tests.ts'

describe('middleware', () => {
  const noting =
    (name: string, notes: string[]): Middleware =>
    (next) =>
    async (handling) => {
      notes.push(`${name} in`)
      const outcome = await next(handling)
      notes.push(`${name} out`)
      return outcome
    }

  it('wraps the handler, the first outermost', async () => {
    const notes: string[] = []
    const handle = compose([noting('first', notes), noting('second', notes)], () => {
      notes.push('handler')
      return Promise.resolve('answered')
    })
    equal(await handle(handlingOf().handling), 'answered')
    deepEqual(notes, ['first in', 'second in', 'handler', 'second out', 'first out'])
  })

  it('of none leaves the handler as it is', async () => {
    equal(
      await compose([], () => Promise.resolve('nothing to answer'))(handlingOf().handling),
      'nothing to answer',
    )
  })
})
