/** For live tests: the gateway as a process of its own, started as `npm run` does. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface RunningGateway {
  readonly url: string
  readonly process: ChildProcess
  /** Every line that it has logged so far. */
  readonly lines: readonly LogLine[]
}

export interface LogLine {
  readonly 'event.name'?: string
  readonly port?: number
}

/** Listens on any free port. @throws Error when it ends before it listens */
export async function startGatewayProcess(environment: Record<string, string>): Promise<RunningGateway> {
  const main = new URL('main.ts', import.meta.url).pathname
  const register = new URL('../shared/telemetry/register.ts', import.meta.url).href
  const child = spawn(process.execPath, ['--import', register, main], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      GATEWAY_PORT: '0',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', // no Collector there: telemetry may be absent
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      ...environment,
    },
  })
  const lines: LogLine[] = []
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) =>
      reject(new Error(`the gateway ended with ${String(code)} before it listened`)),
    )
    // Read to the end: a pipe that is full would hold the gateway up.
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text) as LogLine
      lines.push(line)
      if (line['event.name'] === 'http.listening' && line.port !== undefined) resolve(line.port)
    })
  })
  return { url: `http://127.0.0.1:${port}`, process: child, lines }
}
