import { deepEqual, equal, match, notEqual } from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingHttpHeaders, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPLogExporter as GrpcLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc'
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createLogExporter, createTraceExporter } from './otlp-exporters.ts'

interface Received {
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Says no, as a Collector that cannot take more, as often as it is told to. */
class Collector {
  readonly received: Received[] = []
  refusals = 0
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      void buffer(request).then((body) => {
        this.received.push({ path: request.url, headers: request.headers, body })
        response.writeHead(this.refusals > 0 ? 503 : 200).end()
        this.refusals -= 1
      })
    })
  }
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function endedSpans(): ReadableSpan[] {
  const exporter = new InMemorySpanExporter()
  const tracer = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }).getTracer(
    'tests',
  )
  tracer.startSpan('told by OTLP').end()
  return exporter.getFinishedSpans()
}

function emittedRecords(): ReadableLogRecord[] {
  const exporter = new InMemoryLogRecordExporter()
  const processors = [new SimpleLogRecordProcessor({ exporter })]
  new LoggerProvider({ processors }).getLogger('tests').emit({ body: 'told by OTLP' })
  return exporter.getFinishedLogRecords()
}

describe('the OTLP exporters', () => {
  const collector = new Collector()
  let url = ''
  const environment = { ...process.env }

  before(async () => {
    url = await collector.start()
  })
  after(() => collector.stop())
  beforeEach(() => {
    collector.received.length = 0
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url
  })
  afterEach(() => {
    for (const name of Object.keys(process.env))
      if (!(name in environment)) Reflect.deleteProperty(process.env, name)
  })

  /** A span and a log record, both of which are to be taken. */
  async function exportBoth(settings: NodeJS.ProcessEnv): Promise<void> {
    Object.assign(process.env, settings)
    const [traces, logs] = await Promise.all([createTraceExporter(), createLogExporter()])
    const codes = [
      await new Promise((resolve) => traces.export(endedSpans(), ({ code }) => resolve(code))),
      await new Promise((resolve) => logs.export(emittedRecords(), ({ code }) => resolve(code))),
    ]
    await Promise.all([traces.shutdown(), logs.shutdown()])
    deepEqual(codes, [ExportResultCode.SUCCESS, ExportResultCode.SUCCESS])
  }
  const told = (of: (received: Received) => unknown) => collector.received.map(of)

  it('send protobuf over HTTP unless told otherwise', async () => {
    const unset = [{}, { OTEL_EXPORTER_OTLP_PROTOCOL: '' }, { OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: ' ' }]
    for (const each of unset) await exportBoth(each)
    deepEqual(
      told(({ path, headers }) => `${path} ${headers['content-type']}`),
      unset.flatMap(() => ['/v1/traces application/x-protobuf', '/v1/logs application/x-protobuf']),
    )
    for (const { headers, body } of collector.received) {
      equal(headers['content-encoding'], undefined)
      match(body.toString('latin1'), /told by OTLP/)
    }
  })

  it('send JSON where OTEL_EXPORTER_OTLP_PROTOCOL says so', async () => {
    await exportBoth({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })
    deepEqual(
      told(({ headers, body }) => [
        headers['content-type'],
        Object.keys(JSON.parse(body.toString()) as object),
      ]),
      [
        ['application/json', ['resourceSpans']],
        ['application/json', ['resourceLogs']],
      ],
    )
  })

  it('speak gRPC where they are told to, each signal by its own variable first', async () => {
    process.env.OTEL_EXPORTER_OTLP_PROTOCOL = ' grpc '
    const grpc = await Promise.all([createTraceExporter(), createLogExporter()])
    process.env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL = 'http/json'
    const mixed = await Promise.all([createTraceExporter(), createLogExporter()])
    await Promise.all([...grpc, ...mixed].map((exporter) => exporter.shutdown()))
    deepEqual(
      grpc.map(({ constructor }) => constructor),
      [GrpcTraceExporter, GrpcLogExporter],
    )
    notEqual(mixed[0].constructor, GrpcTraceExporter)
    equal(mixed[1].constructor, GrpcLogExporter)
  })

  for (const protocol of ['http/protobuf', 'http/json'])
    it(`compress ${protocol} once, however often it has to be sent`, async () => {
      collector.refusals = 1
      await exportBoth({
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        OTEL_EXPORTER_OTLP_HEADERS: 'tenant=tests',
      })
      const [first, second, logs] = collector.received
      deepEqual(
        told(({ path }) => path),
        ['/v1/traces', '/v1/traces', '/v1/logs'],
      )
      deepEqual(second?.body, first?.body)
      for (const { headers, body } of [second, logs].filter((each) => each !== undefined)) {
        equal(headers['content-encoding'], 'gzip')
        equal(headers.tenant, 'tests')
        match(gunzipSync(body).toString('latin1'), /told by OTLP/)
      }
    })
})
