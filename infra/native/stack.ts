// `npm run stack`: the servers alone, for services that are run from an editor.
import { parseArgs } from 'node:util'
import { cacheDirectory } from './cache-directory.ts'
import { openStack, type Stack } from './open-stack.ts'
import { portTable, readPorts, serverPorts } from './ports.ts'
import { runUntilStopped } from './run-until-stopped.ts'
import { serverNames, serverTitles } from './server-names.ts'
import { serviceEnvironment } from './service-environment.ts'
import { serverTasks, showTasks } from './task-list.ts'

const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
if (values.help) {
  console.log(help())
} else {
  await runUntilStopped(async (onStop) => {
    const stack = await openStack({ ports: readPorts(process.env) })
    onStop(() => stack.down())
    await Promise.race([showTasks(serverTasks(stack)), failureOf(stack)])
    console.log(`\n${summary(stack)}\n\nCtrl-C stops everything.`)
    await failureOf(stack)
  })
}

async function failureOf(stack: Stack): Promise<never> {
  throw await stack.failed
}

function summary({ urls, ports, runDirectory, ...stack }: Stack): string {
  const rows = stack.names.flatMap((name) =>
    serverPorts[name].map((port) => [
      serverTitles[name],
      portTable[port].variable,
      `127.0.0.1:${ports[port]}`,
    ]),
  )
  return [
    table(rows),
    '',
    'Environment for the services:',
    ...Object.entries(serviceEnvironment({ urls })).map(([name, value]) => `export ${name}='${value}'`),
    '',
    `Logs and data of this run: ${runDirectory}`,
  ].join('\n')
}

function help(): string {
  return `Starts the real servers of Sagascope on this machine, without containers, and stops them on Ctrl-C:
${serverNames.map((name) => serverTitles[name]).join(', ')}.

The first run downloads and builds them, which takes some minutes; they are kept in
${cacheDirectory(process.env)} (SAGASCOPE_CACHE moves it).

Environment, with defaults:
${table(Object.values(portTable).map(({ variable, defaultPort, what }) => [variable, String(defaultPort), what]))}`
}

function table(rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(width(column) + 2)).join('')}`.trimEnd())
    .join('\n')
}
