/** Dead letters for people: lines of text. Nothing of their content, unless it is asked for. */
import type { SpanContext } from '@opentelemetry/api'
import { alignColumns } from '../../shared/process/text-table.ts'
import type { DeadLetter } from './dead-letter.ts'
import { masked, shownHeaders } from './dead-letter.ts'

/** `OrderPlaced`, from `dev.sagascope.OrderPlaced.v1`; of a batch that could not be read, its offsets. */
const shortType = ({ eventType, origin, originLastOffset }: DeadLetter): string =>
  originLastOffset === undefined
    ? (eventType?.split('.')[2] ?? '-')
    : `offsets ${origin.offset}-${originLastOffset}`

const redriven = ({ redrives }: DeadLetter): string => {
  const last = redrives.at(-1)
  if (!last) return '-'
  return redrives.length === 1 ? last.at : `${last.at} (${redrives.length} times)`
}

export function drawTable(letters: readonly DeadLetter[]): string[] {
  const rows = letters.map((letter) => [
    letter.id,
    letter.failedAt,
    letter.errorCode,
    String(letter.attempts),
    shortType(letter),
    letter.checkoutId ?? '-',
    redriven(letter),
  ])
  return alignColumns([['ID', 'FAILED AT', 'ERROR', 'ATTEMPTS', 'EVENT', 'CHECKOUT', 'REDRIVEN'], ...rows])
}

const spanLine = (span: SpanContext | undefined): string =>
  span ? `trace ${span.traceId}, span ${span.spanId}` : 'not known: telemetry was off, or the sender had none'

export function describe(letter: DeadLetter, withPayload: boolean): string[] {
  const { origin, consumerGroup, checkoutId, failedIn, redrives, message, leftAtOrigin } = letter
  const facts: [string, string][] = [
    [
      'failed',
      `${letter.failedAt}, after ${letter.attempts === 1 ? 'one attempt' : `${letter.attempts} attempts`}`,
    ],
    ['error', masked(`${letter.errorCode}: ${letter.errorMessage}`)],
    ['origin', `topic ${origin.topic}, partition ${origin.partition}, ${offsetsOf(letter)}`],
    ['group', consumerGroup],
    ['event', [letter.eventType ?? 'of no type that is known', letter.eventId].filter(Boolean).join(', id ')],
    ['checkout', checkoutId ?? 'it names none'],
    ['failed in', spanLine(failedIn)],
    ['sent in', spanLine(letter.sentIn)],
  ]
  if (letter.copies > 1)
    facts.push(['copies', `${letter.copies}: its sender crashed in between; it is one dead letter`])
  if (letter.redriveOf !== undefined) facts.push(['redrive of', masked(letter.redriveOf)])
  for (const { at, span } of redrives) facts.push(['redriven', `${at}, ${spanLine(span)}`])
  if (redrives.length === 0) {
    facts.push([
      'redriven',
      letter.unreadable === undefined ? 'no' : `no, and no service could read it (${letter.unreadable})`,
    ])
  }
  facts.push(['content', contentLine(letter, withPayload)])

  const follow = checkoutId ?? failedIn?.traceId
  const headers = Object.entries(shownHeaders(message.headers, withPayload))
  return [
    `Dead letter ${letter.id}`,
    ...facts.map(([name, value]) => `  ${name.padEnd(12)}${value}`),
    '  headers',
    ...headers.map(([name, value]) => `    ${name}: ${value}`),
    ...(withPayload && message.value !== null ? ['', message.value.toString()] : []),
    ...(leftAtOrigin === undefined
      ? []
      : ['', 'It was too large for the dead-letter topic; its origin has it.']),
    ...(follow === undefined ? [] : ['', `npm run follow -- ${follow}`]),
  ]
}

const offsetsOf = ({ origin, originLastOffset }: DeadLetter): string =>
  originLastOffset === undefined
    ? `offset ${origin.offset}`
    : `offsets ${origin.offset} to ${originLastOffset}`

function contentLine(letter: DeadLetter, withPayload: boolean): string {
  const { message, leftAtOrigin, originLastOffset } = letter
  const { value } = message
  if (originLastOffset !== undefined) return 'a batch that could not be read, at the origin only'
  if (leftAtOrigin !== undefined) return `${leftAtOrigin} bytes, at the origin only`
  if (value === null) return 'none (a tombstone)'
  return withPayload ? `${value.length} bytes, below` : `${value.length} bytes, hidden; --payload shows them`
}

/** Why a letter that cannot be read is not redriven. */
export function whyLeft(letter: DeadLetter): string {
  const { unreadable, leftAtOrigin, originLastOffset, origin } = letter
  if (originLastOffset !== undefined) {
    return `its batch was never read; the content is only in topic ${origin.topic}, partition ${origin.partition}, ${offsetsOf(letter)}`
  }
  if (leftAtOrigin !== undefined) return 'only its origin has its content'
  return `no service could read it (${String(unreadable)})`
}

/** The same as data. Spans by their ids alone. */
export function toJson(letter: DeadLetter, withPayload: boolean): unknown {
  const { message, failedIn, sentIn, redrives, errorMessage, redriveOf, ...plain } = letter
  return {
    ...plain,
    errorMessage: masked(errorMessage),
    redriveOf: redriveOf === undefined ? undefined : masked(redriveOf),
    failedIn: spanJson(failedIn),
    sentIn: spanJson(sentIn),
    redrives: redrives.map(({ at, span }) => ({ at, span: spanJson(span) })),
    headers: shownHeaders(message.headers, withPayload),
    contentBytes: message.value?.length ?? null,
    ...(withPayload && { content: message.value?.toString() ?? null }),
  }
}

const spanJson = (span: SpanContext | undefined) => span && { traceId: span.traceId, spanId: span.spanId }
