// `npm run dead-letters -- list | show | redrive`: what could not be handled, and how it is tried again.
import { BadConfiguration, readConfig } from '../../shared/process/config.ts'
import { stopTelemetry } from '../../shared/telemetry/flush.ts'
import type { Options } from './options.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { exitCodes, help, parseCommandLine } from './options.ts'

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
      console.error(`${error.message}\nnpm run dead-letters -- --help tells more.`)
      return exitCodes.badUsage
    }
    if (error instanceof BadConfiguration) {
      console.error(error.message)
      return exitCodes.badUsage
    }
    if (error instanceof Error && 'code' in error && error.code === 'kafka_not_reached') {
      console.error(error.message)
      return exitCodes.unavailable
    }
    throw error
  }
}

async function run(options: Exclude<Options, { command: 'help' }>): Promise<number> {
  const config = readConfig()
  if (options.command === 'redrive' && options.execute) {
    // Telemetry has to be there before kafkajs is loaded; who only looks needs none. What ends at once has no metrics.
    process.env.OTEL_METRICS_EXPORTER ??= 'none'
    await import('../../shared/telemetry/register.ts')
  }
  const { runCommand } = await import('./commands.ts')
  try {
    return await runCommand(options, config)
  } finally {
    await stopTelemetry()
  }
}
