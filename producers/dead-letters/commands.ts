/** What `npm run dead-letters` does, on the real topic. */
import { isSpanContextValid } from '@opentelemetry/api'
import type { Config } from '../../shared/process/config.ts'
import type { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { connectKafka, failedWhile } from '../../shared/kafka/kafka-for-tools.ts'
import { deadLetterTopic } from '../../shared/kafka/middleware/dead-letter.ts'
import type { DeadLetter, DeadLetters } from './dead-letter.ts'
import { isWanted } from './dead-letter.ts'
import type { Options } from './options.ts'
import { exitCodes } from './options.ts'
import { describe, drawTable, toJson, whyLeft } from './print.ts'
import { readDeadLetters } from './read-dead-letters.ts'
import { redriveAll } from './redrive.ts'

type Command = Exclude<Options, { command: 'help' }>
type OptionsOf<Name extends Command['command']> = Extract<Command, { command: Name }>

/**
 * @returns the exit code
 * @throws KafkaNotReached
 */
export async function runCommand(options: Command, config: Config): Promise<number> {
  const kafka = await connectKafka(config, 'dead-letters')
  switch (options.command) {
    case 'list':
      return list(kafka, options)
    case 'show':
      return show(kafka, options)
    case 'redrive':
      return redrive(kafka, options)
    default:
      return options satisfies never
  }
}

async function read(kafka: KafkaConnection, sinceMillis?: number): Promise<DeadLetters> {
  return readDeadLetters(kafka, sinceMillis).catch(failedWhile('the dead letters were read'))
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

async function list(kafka: KafkaConnection, { filter, json }: OptionsOf<'list'>): Promise<number> {
  const { letters, strangers } = await read(kafka, filter.sinceMillis)
  const wanted = letters.filter(isWanted(filter))
  if (json) {
    const page = wanted.map((letter) => toJson(letter, false))
    console.log(JSON.stringify({ deadLetters: page, strangers }, undefined, 2))
    return exitCodes.done
  }
  const isFiltered = Object.keys(filter).length > 0
  const none = isFiltered ? 'No dead letter is like that.' : 'There are no dead letters.'
  console.log(wanted.length > 0 ? drawTable(wanted).join('\n') : none)
  if (strangers > 0) {
    console.error(
      `${counted(strangers, 'message')} of topic ${deadLetterTopic} not written by a service left out.`,
    )
  }
  return exitCodes.done
}

async function show(kafka: KafkaConnection, { id, payload, json }: OptionsOf<'show'>): Promise<number> {
  const letter = (await read(kafka)).letters.find((each) => each.id === id)
  if (!letter) return missing([id])
  console.log(
    json ? JSON.stringify(toJson(letter, payload), undefined, 2) : describe(letter, payload).join('\n'),
  )
  return exitCodes.done
}

function missing(ids: readonly string[]): number {
  for (const id of ids)
    console.error(`There is no dead letter ${id}. npm run dead-letters -- list has those there are.`)
  return exitCodes.notDone
}

async function redrive(
  kafka: KafkaConnection,
  { which, execute, ratePerSecond }: OptionsOf<'redrive'>,
): Promise<number> {
  const { letters } = await read(kafka, 'filter' in which ? which.filter.sinceMillis : undefined)
  const unknown = 'ids' in which ? which.ids.filter((id) => !letters.some((letter) => letter.id === id)) : []
  if (unknown.length > 0) return missing(unknown) // and nothing is sent: one of the ids is not what was meant

  const wanted = letters.filter(
    'ids' in which
      ? ({ id }) => which.ids.includes(id)
      : (letter) => letter.redrives.length === 0 && isWanted(which.filter)(letter),
  )
  const isReadable = ({ unreadable }: DeadLetter) => unreadable === undefined
  const toSend = wanted.filter(isReadable)
  const left = wanted.filter((letter) => !isReadable(letter))
  for (const letter of left) console.error(`${letter.id} is left: ${whyLeft(letter)}.`)
  const exitCode = 'ids' in which && left.length > 0 ? exitCodes.notDone : exitCodes.done
  if (toSend.length === 0) {
    console.log('There is nothing to redrive.')
    return exitCode
  }
  if (!execute) {
    console.log(drawTable(toSend).join('\n'))
    console.log(`Nothing was sent: ${counted(toSend.length, 'dead letter')} would be. --execute sends.`)
    return exitCode
  }
  await send(kafka, toSend, ratePerSecond)
  return exitCode
}

async function send(
  kafka: KafkaConnection,
  letters: readonly DeadLetter[],
  ratePerSecond: number,
): Promise<void> {
  const producer = await kafka.connectProducer()
  let sent = 0
  try {
    await redriveAll(letters, producer.send, ratePerSecond, ({ id, origin }, span) => {
      sent += 1
      const traced = isSpanContextValid(span) ? `, trace ${span.traceId}` : ''
      console.log(`${id} sent to ${origin.topic}${traced}`)
    }).catch(failedWhile('they were sent'))
  } finally {
    console.log(`${sent} of ${counted(letters.length, 'dead letter')} sent.`)
    await producer.disconnect()
  }
}
