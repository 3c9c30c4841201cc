import { deepEqual, equal, ok } from 'node:assert/strict'
import { redriveHeader } from '../../shared/kafka/dead-letter-headers.ts'
import type { Filter } from './dead-letter.ts'
import { DeadLetterCollection, isWanted, masked, shownHeaders } from './dead-letter.ts'
import {
  checkoutId,
  collect,
  letterMessage,
  oneLetter,
  redriveNote,
  unreadableBatchMessage,
} from './letters-for-tests.ts'

describe('the dead letters of a topic', () => {
  it('say where they came from, why, and in which spans', () => {
    const { message, failedIn, sentIn, ...letter } = oneLetter()
    deepEqual(letter, {
      id: 'sagascope-payments/orders/3/42',
      origin: { topic: 'orders', partition: 3, offset: '42' },
      originLastOffset: undefined,
      consumerGroup: 'sagascope-payments',
      errorCode: 'unreadable_network_answer',
      errorMessage: 'the payment network answered what cannot be read',
      attempts: 5,
      failedAt: '2026-11-23T12:00:01.000Z',
      copies: 1,
      checkoutId,
      eventId: `orders/${checkoutId}@1/0`,
      eventType: 'dev.sagascope.OrderPlaced.v1',
      redrives: [],
      redriveOf: undefined,
      unreadable: undefined,
      leftAtOrigin: undefined,
    })
    deepEqual([failedIn?.spanId, sentIn?.spanId], ['b7ad6b7169203331', '00f067aa0ba902b7'])
    deepEqual([message.topic, message.partition, message.offset], ['orders', 3, '42'])
    ok(!Object.keys(message.headers).some((name) => name.startsWith('dead-letter-')))
  })

  it('are one where one was sent twice', () => {
    const letters = collect([
      letterMessage(),
      letterMessage({ 'dead-letter-failed-at': '2026-11-23T12:05:00Z' }),
    ])
    deepEqual(
      letters.map(({ id, copies, failedAt }) => [id, copies, failedAt]),
      [['sagascope-payments/orders/3/42', 2, '2026-11-23T12:00:01.000Z']],
    )
  })

  it('are two where two groups failed on one message', () => {
    const letters = collect([
      letterMessage(),
      letterMessage({ 'dead-letter-consumer-group': 'sagascope-users' }),
    ])
    equal(letters.length, 2)
  })

  it('know when they were redriven, whichever comes first: the note lies on the topic as well', () => {
    const { id } = oneLetter()
    const note = redriveNote(id, '2026-11-23T13:00:00.000Z')
    for (const messages of [
      [letterMessage(), note],
      [note, letterMessage()],
    ]) {
      deepEqual(
        collect(messages).map(({ redrives }) => redrives.map(({ at }) => at)),
        [['2026-11-23T13:00:00.000Z']],
      )
    }
  })

  it('know what they were before they were redriven and failed again', () => {
    const first = oneLetter().id
    equal(oneLetter({}, { moreHeaders: { [redriveHeader]: first } }).redriveOf, first)
  })

  it('come in the order in which they failed', () => {
    const letters = collect([
      letterMessage({ 'dead-letter-origin-offset': '2', 'dead-letter-failed-at': '2026-11-23T12:00:02Z' }),
      letterMessage({ 'dead-letter-origin-offset': '1', 'dead-letter-failed-at': '2026-11-23T12:00:01Z' }),
    ])
    deepEqual(
      letters.map(({ origin }) => origin.offset),
      ['1', '2'],
    )
  })

  it('are told apart from what strangers have put there', () => {
    const collection = new DeadLetterCollection()
    collection.add(letterMessage({}, { headers: {} }))
    collection.add(letterMessage({ 'dead-letter-origin-offset': 'x' }))
    collection.add(letterMessage({ 'dead-letter-failed-at': 'yesterday' }))
    collection.add(letterMessage({ 'dead-letter-origin-topic': 'salaries' }))
    collection.add(letterMessage())
    const { letters, strangers } = collection.read()
    deepEqual([letters.length, strangers], [1, 4])
  })

  it('say whether a service could read them now', () => {
    equal(oneLetter({}, { value: Buffer.from('{"a":') }).unreadable, 'not_json')
    equal(oneLetter({}, { value: Buffer.from('{}') }).unreadable, 'not_of_the_contract')
    equal(oneLetter({}, { key: 'another' }).unreadable, 'not_a_cloud_event')
  })

  it('say how far a batch goes that could not be read', () => {
    const [letter] = collect([unreadableBatchMessage()])
    equal(letter?.origin.offset, '42')
    equal(letter.originLastOffset, '44')
    equal(letter.unreadable, 'unreadable_batch')
  })

  it('have no last offset where the header holds none', () => {
    const [letter] = collect([unreadableBatchMessage({ 'dead-letter-origin-last-offset': '44 or so' })])
    equal(letter?.originLastOffset, undefined)
  })

  it('name no checkout where the message names none in the contract’s shape', () => {
    const letter = oneLetter({}, { key: 'ada@people.example', moreHeaders: { ce_subject: 'Ada Example' } })
    equal(letter.checkoutId, undefined)
  })

  describe('that are wanted', () => {
    const letter = oneLetter()
    const filters: readonly [Filter, boolean][] = [
      [{}, true],
      [{ topic: 'orders' }, true],
      [{ topic: 'users' }, false],
      [{ consumerGroup: 'sagascope-payments' }, true],
      [{ consumerGroup: 'sagascope-orders' }, false],
      [{ errorCode: 'unreadable_network_answer' }, true],
      [{ errorCode: 'not_json' }, false],
      [{ checkoutId }, true],
      [{ checkoutId: 'another' }, false],
      [{ sinceMillis: Date.parse('2026-11-23T12:00:01Z') }, true],
      [{ sinceMillis: Date.parse('2026-11-23T12:00:02Z') }, false],
      [{ topic: 'orders', errorCode: 'not_json' }, false],
    ]
    for (const [filter, wanted] of filters) {
      it(`${wanted ? 'pass' : 'do not pass'} ${JSON.stringify(filter)}`, () => {
        equal(isWanted(filter)(letter), wanted)
      })
    }
  })
})

describe('what is personal', () => {
  it('is masked in a text: emails and payment tokens, and no event id', () => {
    equal(masked('E11000 ada@people.example tok_visa users/c-1@1/0'), 'E11000 **** **** users/c-1@1/0')
  })

  it('is not shown of headers: only those have their content that are the contract’s', () => {
    const headers = {
      ce_id: 'orders/c-1@1/0',
      ce_subject: 'ada@people.example',
      authorization: 'Bearer abc',
      'x-ada@people.example': '1',
    }
    deepEqual(shownHeaders(headers, false), {
      ce_id: 'orders/c-1@1/0',
      ce_subject: '****',
      authorization: '****',
      '****': '****',
    })
    deepEqual(shownHeaders(headers, true), headers)
  })
})
