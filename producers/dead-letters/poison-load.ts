// `npm run poison-load`: what poison costs others, on servers of its own.
import { openStack } from '../../infra/native/open-stack.ts'
import { pickFreePorts } from '../../infra/native/ports.ts'
import { runUntilStopped } from '../../infra/native/run-until-stopped.ts'
import { prepareServices } from '../../infra/native/services.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { runCommand } from '../../shared/process/command-line.ts'
import { createLogger } from '../../shared/telemetry/logger.ts'
import { runPoison } from './poison.ts'
import type { PoisonOptions } from './poison-options.ts'
import { help, parseCommandLine } from './poison-options.ts'
import { describePoison, faultsOf } from './poison-report.ts'

/** Slices long enough that one message which fails at every attempt weighs little more than it would all day. */
const slices = 8
const deadlineMillis = 60_000

const poisonLoad = ({ checkouts, ratePerSecond }: PoisonOptions): Promise<void> =>
  runUntilStopped(async (onStop) => {
    const stack = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb'] })
    onStop(() => stack.down())
    await stack.allReady
    const services = await prepareServices(stack, {
      CHECKOUT_DEADLINE_MILLIS: String(deadlineMillis),
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    })
    onStop(() => services.down())
    await Promise.all(services.names.map((name) => services.up(name)))
    const brokers = [stack.urls.kafkaBrokers]
    const kafka = new KafkaConnection({ brokers, clientId: 'poison' }, createLogger('poison', 'fatal'))
    const producer = await kafka.connectProducer()
    onStop(() => producer.disconnect())

    const plan = {
      gatewayUrl: services.gatewayUrl,
      kafka,
      send: producer.send,
      ratePerSecond,
      slices,
      endDeadlineMillis: 3 * deadlineMillis,
    }
    console.log('Warming up.')
    await runPoison({ ...plan, checkouts: 200, slices: 2, malformed: 0, failing: 0 })
    // 1 % and 0.1 % of the half that has poison among it.
    const malformed = Math.round(checkouts * 0.005)
    const failing = Math.max(1, Math.round(checkouts * 0.000_5))
    console.log(
      `${checkouts} checkouts at ${ratePerSecond} a second, half of them among ${malformed} malformed messages and ` +
        `${failing} that always fail.`,
    )
    const report = await runPoison({ ...plan, checkouts, malformed, failing })
    console.log(describePoison(report).join('\n'))
    const faults = faultsOf({ malformed, failing }, report)
    if (faults.length > 0) throw new Error(faults.join('\n'))
  })

await runCommand({
  name: 'npm run poison-load',
  help,
  parse: () => parseCommandLine(process.argv.slice(2)),
  run: poisonLoad,
})
