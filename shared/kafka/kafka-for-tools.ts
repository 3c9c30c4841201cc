/** Kafka for a command that a person runs: what is away is said within seconds, in one sentence. */
import type { Config } from '../process/config.ts'
import { within } from '../process/deadline.ts'
import { createLogger } from '../telemetry/logger.ts'
import { KafkaConnection } from './kafka.ts'

/** Kafka could not be asked; the message says where it was looked for and what to do. */
export class KafkaNotReached extends Error {
  readonly code = 'kafka_not_reached'
}

/** A person waits: what is not there within this is said to be away. */
const patienceMillis = 5_000

/** @throws KafkaNotReached */
export async function connectKafka(
  { KAFKA_BROKERS: brokers, kafkaSecurity: security }: Config,
  clientId: string,
): Promise<KafkaConnection> {
  // kafkajs asks for about half a minute and logs each try; here one sentence is better.
  const kafka = new KafkaConnection({ brokers, security, clientId }, createLogger(clientId, 'fatal'))
  const admin = kafka.client.admin()
  try {
    await within(patienceMillis, 'connecting', admin.connect())
    await admin.disconnect()
    return kafka
  } catch (error) {
    const where = brokers.join(', ')
    throw new KafkaNotReached(
      `Kafka does not answer at ${where}: ${(error as Error).message}. KAFKA_BROKERS says where it is.`,
      { cause: error },
    )
  }
}

/** For `catch`: what Kafka threw, with what was being done. */
export const failedWhile = (what: string) => (error: unknown) => {
  throw new KafkaNotReached(`Kafka failed while ${what}: ${(error as Error).message}`, { cause: error })
}
