// `npm run replay`: messages once more, a checkout's input once more, or the stores rebuilt from the topics.
import { BadUsage } from '../../shared/process/command-line.ts'
import { BadConfiguration, readConfig } from '../../shared/process/config.ts'
import { stopTelemetry } from '../../shared/telemetry/flush.ts'
import type { Options } from './options.ts'
import { exitCodes, help, parseCommandLine } from './options.ts'

const backendsAway = new Set<unknown>(['kafka_not_reached', 'backend_unavailable', 'store_not_reached'])

process.exit(await main())

async function main(): Promise<number> {
  try {
    const options = parseCommandLine(process.argv.slice(2))
    if (options.command === 'help') {
      console.log(help)
      return exitCodes.done
    }
    return await run(options)
  } catch (error) {
    if (error instanceof BadUsage) {
      console.error(`${error.message}\nnpm run replay -- --help tells more.`)
      return exitCodes.badUsage
    }
    if (error instanceof BadConfiguration) {
      console.error(error.message)
      return exitCodes.badUsage
    }
    if (error instanceof Error && 'code' in error && backendsAway.has(error.code)) {
      console.error(error.message)
      return exitCodes.unavailable
    }
    throw error
  }
}

async function run(options: Exclude<Options, { command: 'help' }>): Promise<number> {
  const config = readConfig()
  if (options.execute && options.command !== 'rebuild') {
    // Telemetry has to be there before kafkajs is loaded; who only looks needs none. What ends at once has no metrics.
    process.env.OTEL_METRICS_EXPORTER ??= 'none'
    await import('../../shared/telemetry/register.ts')
  }
  const { runCommand } = await import('./commands.ts')
  try {
    return await runCommand(options, config, stopSignal())
  } finally {
    await stopTelemetry()
  }
}

/** Aborted by the first Ctrl-C; the second ends the process at once. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(exitCodes.interrupted)
      console.error('Stopping. Once more ends at once.')
      stopping.abort()
    })
  }
  return stopping.signal
}
