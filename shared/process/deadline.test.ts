import { equal, rejects } from 'node:assert/strict'
import { within } from './deadline.ts'

describe('work with a deadline', () => {
  it('gives what it gives when it is in time', async () => {
    equal(await within(10_000, 'work', Promise.resolve('done')), 'done')
    await rejects(within(10_000, 'work', Promise.reject(new Error('some fault'))), /some fault/)
  })

  it('is left alone when it is not, under its name', async () => {
    await rejects(within(5, 'the work', new Promise(() => undefined)), {
      code: 'deadline_exceeded',
      message: 'the work: not within 5 ms',
    })
  })

  it('fails unheard afterwards: nobody waits for it', async () => {
    const work = Promise.withResolvers<undefined>()
    await rejects(within(5, 'the work', work.promise))
    work.reject(new Error('late'))
    await new Promise(setImmediate)
  })
})
