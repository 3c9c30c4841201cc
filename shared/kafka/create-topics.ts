// `node shared/kafka/create-topics.ts`: the saga's topics, made before any service starts.
import { topics } from '../saga/events.ts'
import { BadUsage, parseOptions } from '../process/command-line.ts'
import { BadConfiguration, readConfig } from '../process/config.ts'
import { connectKafka, failedWhile, KafkaNotReached } from './kafka-for-tools.ts'
import { deadLetterTopic } from './middleware/dead-letter.ts'

const exitCodes = { done: 0, notDone: 1, badUsage: 2, unavailable: 3 } as const

const all = [...topics, deadLetterTopic]

const help = `Creates the topics of Sagascope that are missing: ${all.join(', ')}.

  node shared/kafka/create-topics.ts [--dry-run]

For clusters where the services may not. A topic that exists is left as it is, whatever its partitions.

  --dry-run   only says which are missing; the exit code is ${exitCodes.notDone} when any is
  --help      this

KAFKA_TOPIC_PARTITIONS (6) and KAFKA_TOPIC_REPLICATION_FACTOR (1) say how; Kafka is at KAFKA_BROKERS (127.0.0.1:9092), with
the KAFKA_* variables of the services.

Exit codes: ${exitCodes.done} all are there, ${exitCodes.notDone} some are not, ${exitCodes.badUsage} not understood, ${exitCodes.unavailable} Kafka could not be asked.`

process.exit(await main())

async function main(): Promise<number> {
  try {
    const { values } = parseOptions({
      options: { 'dry-run': { type: 'boolean' }, help: { type: 'boolean' } },
    })
    if (values.help) {
      console.log(help)
      return exitCodes.done
    }
    return await run(values['dry-run'] ?? false)
  } catch (error) {
    if (error instanceof BadUsage || error instanceof BadConfiguration) {
      console.error(error.message)
      return exitCodes.badUsage
    }
    if (error instanceof KafkaNotReached) {
      console.error(error.message)
      return exitCodes.unavailable
    }
    throw error
  }
}

async function run(dryRun: boolean): Promise<number> {
  const config = readConfig()
  const { KAFKA_TOPIC_PARTITIONS: partitions, KAFKA_TOPIC_REPLICATION_FACTOR: replicas } = config
  const kafka = await connectKafka(config, 'create-topics')
  const admin = kafka.client.admin()
  await admin.connect().catch(failedWhile('connecting'))
  try {
    const existing = new Set(await admin.listTopics().catch(failedWhile('listing topics')))
    const missing = all.filter((topic) => !existing.has(topic))
    if (missing.length === 0) {
      console.log(`All are there: ${all.join(', ')}.`)
      return exitCodes.done
    }
    if (dryRun) {
      console.log(`Missing: ${missing.join(', ')}.`)
      return exitCodes.notDone
    }
    await kafka.ensureTopics(partitions, replicas).catch(failedWhile('creating topics'))
    console.log(
      `Created with ${partitions} partitions, replication factor ${replicas}: ${missing.join(', ')}.`,
    )
    return exitCodes.done
  } finally {
    await admin.disconnect()
  }
}
