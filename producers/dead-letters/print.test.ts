import { deepEqual, equal, match, ok } from 'node:assert/strict'
import {
  checkoutId,
  collect,
  letterMessage,
  oneLetter,
  redriveNote,
  unreadableBatchMessage,
} from './letters-for-tests.ts'
import { describe as describeLetter, drawTable, toJson, whyLeft } from './print.ts'

const personal = /people\.example|tok_visa/

describe('dead letters, printed', () => {
  it('are a table with a line for each', () => {
    const letters = collect([letterMessage(), redriveNote(oneLetter().id, '2026-11-23T13:00:00.000Z')])
    deepEqual(
      drawTable(letters).map((line) => line.split(/ {2,}/)),
      [
        ['ID', 'FAILED AT', 'ERROR', 'ATTEMPTS', 'EVENT', 'CHECKOUT', 'REDRIVEN'],
        [
          'sagascope-payments/orders/3/42',
          '2026-11-23T12:00:01.000Z',
          'unreadable_network_answer',
          '5',
          'OrderPlaced',
          checkoutId,
          '2026-11-23T13:00:00.000Z',
        ],
      ],
    )
  })

  it('show a dash for what a message does not tell', () => {
    const [, line = ''] = drawTable([
      oneLetter({}, { key: undefined, moreHeaders: { ce_subject: '', ce_type: '' } }),
    ])
    match(line, /5 +- +- +-$/)
  })

  it('have nothing of their content in the table, alone, or as data', () => {
    const letter = oneLetter({}, { moreHeaders: { 'x-user': 'ada@people.example' } })
    const all = [
      ...drawTable([letter]),
      ...describeLetter(letter, false),
      JSON.stringify(toJson(letter, false)),
    ]
    ok(!personal.test(all.join('\n')), all.join('\n'))
  })

  it('have their content when it is asked for', () => {
    const letter = oneLetter()
    match(describeLetter(letter, true).join('\n'), /ada@people\.example/)
    match(JSON.stringify(toJson(letter, true)), /ada@people\.example/)
  })

  it('say of a batch that could not be read from which offset to which it lies', () => {
    const letter = oneLetter(
      { 'dead-letter-origin-last-offset': '44', 'dead-letter-error-code': 'unreadable_batch' },
      { key: undefined, value: null, moreHeaders: { ce_type: '', ce_subject: '', ce_id: '' } },
    )
    const text = describeLetter(letter, true).join('\n')
    match(text, /origin {6}topic orders, partition 3, offsets 42 to 44/)
    match(text, /no service could read it \(unreadable_batch\)/)
    match(text, /content {5}a batch that could not be read, at the origin only/)
  })

  it('tell all that is known of one', () => {
    const text = describeLetter(oneLetter(), false).join('\n')
    match(text, /failed {6}2026-11-23T12:00:01\.000Z, after 5 attempts/)
    match(text, /error {7}unreadable_network_answer: the payment network answered what cannot be read/)
    match(text, /origin {6}topic orders, partition 3, offset 42/)
    match(text, /failed in {3}trace 0af7651916cd43dd8448eb211c80319c, span b7ad6b7169203331/)
    match(text, /sent in {5}trace 0af7651916cd43dd8448eb211c80319c, span 00f067aa0ba902b7/)
    match(text, /content {5}\d+ bytes, hidden; --payload shows them/)
    match(text, new RegExp(`npm run follow -- ${checkoutId}$`))
  })

  it('tell that one was sent twice, that it was redriven before, and that it cannot be read', () => {
    const [letter] = collect([
      letterMessage(
        {},
        { value: Buffer.from('x'), moreHeaders: { 'redrive-of': 'sagascope-payments/orders/3/7' } },
      ),
      letterMessage(),
    ])
    ok(letter)
    const text = describeLetter(letter, false).join('\n')
    match(text, /copies {6}2: its sender crashed in between/)
    match(text, /redrive of {2}sagascope-payments\/orders\/3\/7/)
    match(text, /redriven {4}no, and no service could read it \(not_json\)/)
  })

  it('tell where a batch lies that could not be read', () => {
    const letters = collect([unreadableBatchMessage()])
    match(drawTable(letters)[1] ?? '', /unreadable_batch +5 +offsets 42-44 /)
    const [letter] = letters
    ok(letter)
    const text = describeLetter(letter, true).join('\n')
    match(text, /origin {6}topic orders, partition 3, offsets 42 to 44/)
    match(text, /redriven {4}no, and no service could read it \(unreadable_batch\)/)
    match(text, /content {5}a batch that could not be read, at the origin only/)
    match(JSON.stringify(toJson(letter, true)), /"originLastOffset":"44"/)
    equal(
      whyLeft(letter),
      'its batch was never read; the content is only in topic orders, partition 3, offsets 42 to 44',
    )
  })

  it('tell where the content is of one that was too large', () => {
    const letter = oneLetter({ 'dead-letter-left-at-origin': '1048000' }, { value: null })
    const text = describeLetter(letter, true).join('\n')
    match(text, /content {5}1048000 bytes, at the origin only/)
  })
})
