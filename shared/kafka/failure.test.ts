import { equal } from 'node:assert/strict'
import { MongoError, MongoNetworkError, MongoServerError } from 'mongodb'
import { isRetriable } from './failure.ts'

describe('a failure', () => {
  it('is asked whether it passes by itself', () => {
    equal(isRetriable(Object.assign(new Error('away'), { retriable: true })), true)
    equal(isRetriable(Object.assign(new Error('wrong'), { retriable: false })), false)
  })

  it('that does not say is neither the one nor the other', () => {
    equal(isRetriable(new Error('retriable: true')), undefined)
    equal(isRetriable(Object.assign(new Error('odd'), { retriable: 'yes' })), undefined)
    for (const thrown of [undefined, null, 'text', 7]) equal(isRetriable(thrown), undefined)
  })

  it('of the store passes when the store was away or says that a write may be tried again', () => {
    equal(isRetriable(new MongoNetworkError('connection reset')), true)
    const steppedDown = new MongoServerError({ message: 'not primary', errorLabels: ['RetryableWriteError'] })
    equal(isRetriable(steppedDown), true)
    equal(isRetriable(new MongoServerError({ message: 'interrupted at shutdown', code: 11_600 })), true)
  })

  it('of a connection that breaks in the middle of a write passes, and another of the system does not say', () => {
    equal(isRetriable(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })), true)
    equal(isRetriable(Object.assign(new Error('no such file'), { code: 'ENOENT' })), undefined)
  })

  it('of the store for another reason does not say', () => {
    equal(isRetriable(new MongoError('unknown operator')), undefined)
    equal(isRetriable(new MongoServerError({ message: 'duplicate key', code: 11_000 })), undefined)
  })
})
