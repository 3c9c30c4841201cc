/** The incidents that can be shown, by name. */
import type { Scenario } from './scenario.ts'
import { hotPartition } from './scenarios/hot-partition.ts'
import { leakingConsumer } from './scenarios/leaking-consumer.ts'
import { poisonMessage } from './scenarios/poison-message.ts'
import { slowPaymentNetwork } from './scenarios/slow-payment-network.ts'

export const scenarios: Readonly<Record<string, Scenario>> = Object.fromEntries(
  [slowPaymentNetwork, hotPartition, poisonMessage, leakingConsumer].map((scenario) => [
    scenario.name,
    scenario,
  ]),
)
