// `npm run load`: checkouts at a rate, whatever the system does, and how long each of them takes.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectKafka, KafkaNotReached } from '../../shared/kafka/kafka-for-tools.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { BadConfiguration, readConfig } from '../../shared/process/config.ts'
import { GatewayAway, GatewayClient } from './gateway-client.ts'
import type { CommandLine } from './load-options.ts'
import { exitCodes, fileNames, help, parseCommandLine, temporaryFolder } from './load-options.ts'
import { toPage } from './load-page.ts'
import { describePlan, faultsOf, progressLine, summary } from './load-report.ts'
import type { LoadResult } from './load-result.ts'
import type { LoadProgress } from './run-load.ts'
import { runLoad } from './run-load.ts'
import type { EndSource } from './watch-ends.ts'
import { KafkaAway } from './watch-ends.ts'

/** A person waits: what is not there within this is said to be away. */
const patienceMillis = 5_000
const sameSignalMillis = 500

async function main(): Promise<number> {
  try {
    const options = parseCommandLine(process.argv.slice(2), process.env)
    if (options !== 'help') return await load(options)
    console.log(help)
    return exitCodes.done
  } catch (error) {
    if (error instanceof BadUsage || error instanceof BadConfiguration) {
      console.error(`${error.message}\nnpm run load -- --help tells more.`)
      return exitCodes.badUsage
    }
    if (error instanceof GatewayAway) {
      console.error(`${error.message} --gateway or GATEWAY_URL says where it is.`)
      return exitCodes.unavailable
    }
    if (error instanceof KafkaAway) {
      console.error(error.message)
      return exitCodes.unavailable
    }
    throw error
  }
}

async function load(options: CommandLine): Promise<number> {
  if (options.dryRun) {
    const plan = [...describePlan(options), 'Nothing was sent: this is a dry run.'].join('\n')
    if (options.json) {
      say(plan)
      const { load, endBy, thresholds } = options
      console.log(JSON.stringify({ dryRun: true, load, endBy, thresholds }))
    } else console.log(plan)
    return exitCodes.done
  }
  const away = new GatewayClient(options.load.gatewayUrl, patienceMillis)
  await away.requireReady().finally(() => away.close()) // said at once, before Kafka is looked for
  const ends = await findEnds(options.endBy)
  say(describePlan({ ...options, endBy: ends.by }).join('\n'))

  const { signal, settleSignal } = interruptions()
  const result = await runLoad({ ...options.load, ends, signal, settleSignal, onSecond: showProgress })
  if (process.stderr.isTTY) say('')
  const faults = faultsOf(result, options.thresholds)
  const folder = write(result, faults, options.outputFolder ?? temporaryFolder())
  if (options.json) console.log(JSON.stringify(result))
  else console.log(['', ...summary(result, faults)].join('\n'))
  if (options.json) for (const fault of [...result.warnings, ...faults]) say(fault)
  say(`Result: ${join(folder, fileNames.result)}, ${join(folder, fileNames.page)}`)
  if (result.interrupted) return exitCodes.interrupted
  return faults.length > 0 ? exitCodes.failed : exitCodes.done
}

function write(result: LoadResult, faults: readonly string[], folder: string): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, fileNames.result), `${JSON.stringify(result, undefined, 1)}\n`)
  writeFileSync(join(folder, fileNames.page), toPage(result, faults))
  return folder
}

/** The first Ctrl-C ends the arrivals, the second the waiting for what is under way. */
function interruptions() {
  const arrivals = new AbortController()
  const settling = new AbortController()
  let interruptedAt = -Infinity
  const interrupt = () => {
    // npm passes on what the terminal has sent already.
    if (performance.now() - interruptedAt < sameSignalMillis) return
    interruptedAt = performance.now()
    if (arrivals.signal.aborted) settling.abort()
    else say('\nNo more arrivals; waiting for what is under way. Once more ends that.')
    arrivals.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return { signal: arrivals.signal, settleSignal: settling.signal }
}

/** @throws KafkaAway when Kafka is wanted and does not answer */
async function findEnds(endBy: CommandLine['endBy']): Promise<EndSource> {
  if (endBy === 'gateway') return { by: 'gateway' }
  try {
    return { by: 'kafka', kafka: await connectKafka(readConfig(), 'load') }
  } catch (error) {
    if (!(error instanceof KafkaNotReached)) throw error
    if (endBy === 'kafka')
      throw new KafkaAway(`${error.message} --end-by gateway does without it.`, { cause: error })
    say(`${error.message} The gateway is asked instead.`)
    return { by: 'gateway' }
  }
}

function showProgress(progress: LoadProgress): void {
  const line = progressLine(progress)
  process.stderr.write(
    process.stderr.isTTY ? `\r\u001b[2K${line.slice(0, process.stderr.columns - 1)}` : `${line}\n`,
  )
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

process.exit(await main())
