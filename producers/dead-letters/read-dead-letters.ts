import type { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { deadLetterTopic } from '../../shared/kafka/middleware/dead-letter.ts'
import { offsetRanges, readRanges } from '../../shared/kafka/read-topic.ts'
import type { DeadLetters } from './dead-letter.ts'
import { DeadLetterCollection } from './dead-letter.ts'

/**
 * Everything that lies on the dead-letter topic.
 * @param sinceMillis milliseconds since the epoch: only what was sent then or later
 */
export async function readDeadLetters(kafka: KafkaConnection, sinceMillis?: number): Promise<DeadLetters> {
  const collection = new DeadLetterCollection()
  const ranges = await offsetRanges(kafka, deadLetterTopic, sinceMillis)
  await readRanges(kafka, deadLetterTopic, ranges, (message) => collection.add(message))
  return collection.read()
}
