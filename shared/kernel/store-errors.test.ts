import { deepEqual } from 'node:assert/strict'
import {
  MongoErrorLabel,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from 'mongodb'
import { NotSent } from '../process/coalescer.ts'
import { isDuplicateKey, isRefused, neverLeft, notSentLabel } from './store-errors.ts'

const labelled = <Failure extends { addErrorLabel(label: string): void }>(
  error: Failure,
  label: string,
): Failure => {
  error.addErrorLabel(label)
  return error
}
const named = (name: string): Error =>
  Object.defineProperty(new MongoNetworkError('x'), 'name', { value: name })

type Meaning = 'never left' | 'refused' | 'unknown'
const meaningOf = (error: unknown): Meaning =>
  neverLeft(error) ? 'never left' : isRefused(error) ? 'refused' : 'unknown'

describe('a failure of the store', () => {
  const meanings: readonly [string, unknown, Meaning][] = [
    ['a write that was withdrawn', new NotSent(), 'never left'],
    ['no server to select', new MongoServerSelectionError('x', {} as never), 'never left'],
    ['a client that is closed', new MongoTopologyClosedError('x'), 'never left'],
    ['a pool that was cleared', named('MongoPoolClearedError'), 'never left'],
    ['a pool that is closed', named('MongoPoolClosedError'), 'never left'],
    ['no connection free in time', named('MongoWaitQueueTimeoutError'), 'never left'],
    [
      'a connection that was refused',
      labelled(new MongoNetworkError('x'), MongoErrorLabel.SystemOverloadedError),
      'never left',
    ],
    [
      'a connection whose handshake failed',
      labelled(new MongoNetworkError('x'), MongoErrorLabel.HandshakeError),
      'never left',
    ],
    [
      'a connection that the server has ended',
      labelled(new MongoNetworkError('x'), notSentLabel),
      'never left',
    ],
    ['a connection that broke', new MongoNetworkError('x'), 'unknown'],
    ['a reply that did not come in time', new MongoNetworkTimeoutError('x'), 'unknown'],
    ['a server that refuses', new MongoServerError({ message: 'x', code: 13 }), 'refused'],
    [
      'a server that is stepping down',
      labelled(new MongoServerError({ message: 'x', code: 91 }), MongoErrorLabel.RetryableWriteError),
      'unknown',
    ],
    ['something else', new Error('x'), 'unknown'],
  ]
  for (const [what, error, meaning] of meanings) {
    it(`${what}: ${meaning}`, () => deepEqual(meaningOf(error), meaning))
  }

  it('is a duplicate key by its code', () => {
    deepEqual(
      [11_000, 13].map((code) => isDuplicateKey(new MongoServerError({ message: 'x', code }))),
      [true, false],
    )
    deepEqual(isDuplicateKey(new Error('E11000 duplicate key error')), false)
  })
})
