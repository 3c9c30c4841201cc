import { deepEqual } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const register = new URL('./register.ts', import.meta.url).href

/** What a program prints that is started as the services are, with no Collector to send to. */
async function output(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', register, '--input-type=module', '--eval', program],
    {
      cwd: import.meta.dirname,
      env: { ...process.env, OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' },
    },
  )
  return stdout
}

describe('register.ts', () => {
  it('has everything patched that the services import, and what those require', async () => {
    const patched = await output(`
      import { Server } from 'node:http'
      import { createRequire } from 'node:module'
      import bunyan from 'bunyan'
      import kafkajs from 'kafkajs'
      import Koa from 'koa'
      import 'mongodb'
      const { Connection } = createRequire(import.meta.url)('mongodb/lib/cmap/connection.js')
      const functions = {
        http: Server.prototype.emit,
        bunyan: bunyan.prototype._emit,
        kafkajs: kafkajs.Kafka.prototype.consumer,
        koa: Koa.prototype.use,
        mongodb: Connection.prototype.command,
      }
      console.log(JSON.stringify(Object.keys(functions).filter((name) => functions[name].__wrapped)))`)
    deepEqual(JSON.parse(patched), ['http', 'bunyan', 'kafkajs', 'koa', 'mongodb'])
  }).timeout(30_000)
})
