/**
 * The HTTP server under the application: how long a connection may take for what, how many there may be, and what
 * is answered to bytes that are no request. Node's strict parser refuses what requests are smuggled with (both
 * lengths, bad chunks, bare line feeds); here that becomes a problem document and the end of the connection.
 */
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { createServer, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Callers } from './callers.ts'
import { plainAddress } from './callers.ts'
import type { ProblemCode } from './problem.ts'
import { Problem, problemMediaType, toDocument } from './problem.ts'
import { countRefusal } from './refusal-metrics.ts'
import { securityHeaders } from './security-headers.ts'

export interface ServerLimits {
  readonly connections: number
  /** Those of one address; a trusted proxy, which brings everybody's, has no such limit. */
  readonly connectionsPerCaller: number
  /** From the first byte of a connection or request to the end of its headers. */
  readonly headersMillis: number
  /** ... to the end of its body. */
  readonly requestMillis: number
  /** Between two requests on a connection. Longer than load balancers keep it, which would else send into one that is closing. */
  readonly keepAliveMillis: number
  /** With no byte in either direction: a client that does not read its answer. Longer than an event stream's heartbeat. */
  readonly idleMillis: number
  /** How often the first two are looked at. */
  readonly checkMillis: number
  readonly requestsPerConnection: number
}

export const defaultServerLimits: ServerLimits = {
  connections: 10_000,
  connectionsPerCaller: 2_500,
  headersMillis: 10_000,
  requestMillis: 30_000,
  keepAliveMillis: 65_000,
  idleMillis: 70_000,
  checkMillis: 1_000,
  requestsPerConnection: 1_000,
}

export const headerLimitBytes = 16_384

export function createEdgeServer(handle: RequestListener, limits: ServerLimits, callers: Callers): Server {
  const answers = new WeakMap<Duplex, ServerResponse>()
  const requestCounts = new WeakMap<Duplex, number>()
  const server = createServer(
    {
      maxHeaderSize: headerLimitBytes,
      headersTimeout: limits.headersMillis,
      requestTimeout: limits.requestMillis,
      keepAliveTimeout: limits.keepAliveMillis,
      connectionsCheckingInterval: limits.checkMillis,
      noDelay: true,
      requireHostHeader: false, // its refusal has no body; strict-request.ts refuses it
    },
    (request, response) => {
      const { socket } = request
      answers.set(socket, response)
      // Node's own maxRequestsPerSocket leaves it to the client to close, and answers a bare 503 if it does not.
      const count = (requestCounts.get(socket) ?? 0) + 1
      requestCounts.set(socket, count)
      if (count >= limits.requestsPerConnection) response.setHeader('Connection', 'close')
      handle(request, response)
    },
  )
  server.maxHeadersCount = 0 // those above it would be dropped in silence; strict-request.ts refuses them
  server.maxConnections = limits.connections
  server.setTimeout(limits.idleMillis)
  server.on('drop', () => countRefusal('connections'))
  limitConnectionsPerCaller(server, limits.connectionsPerCaller, callers)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // An answer that has begun cannot be taken back: what follows on its connection would be read as its end.
    if (!socket.writable || error.code === 'ECONNRESET' || answers.get(socket)?.headersSent) {
      socket.destroy()
      return
    }
    refuse(socket, problemOf(error.code))
  })
  // Without this an expectation is answered by Node, with no body and no headers of ours.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  // Nobody's proxy.
  server.on('connect', (_request, socket) => refuse(socket, methodRefused()))
  return server
}

/** Stops accepting, waits for the requests under way, and then ends what is left. */
export async function closeEdgeServer(server: Server, patienceMillis: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  const patience = setTimeout(() => server.closeAllConnections(), patienceMillis)
  await closed
  clearTimeout(patience)
}

function limitConnectionsPerCaller(server: Server, limit: number, callers: Callers): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress ?? '')
    if (callers.isTrusted(address)) return
    const count = (open.get(address) ?? 0) + 1
    if (count > limit) {
      countRefusal('connections_per_caller')
      socket.destroy()
      return
    }
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}

const byParserError: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', `Send at most ${headerLimitBytes} bytes of headers.`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['body_too_large', 'Send chunks without extensions.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'Send the whole request at once.'],
}

function problemOf(parserErrorCode = ''): Problem {
  const [code, detail] = byParserError[parserErrorCode] ?? [
    'malformed_request',
    'These bytes are no HTTP request that can be read in one way only.',
  ]
  return new Problem(code, detail)
}

const methodRefused = (): Problem =>
  new Problem('method_not_allowed', 'What there is, is listed in /openapi.json.', {
    headers: { Allow: 'GET' },
  })

/** Answers on the bare connection, and ends it. */
function refuse(socket: Duplex, problem: Problem): void {
  const body = JSON.stringify(toDocument(problem, '*', null))
  const headers = {
    ...securityHeaders,
    ...problem.headers,
    'Content-Type': problemMediaType,
    'Content-Length': Buffer.byteLength(body).toString(),
    Connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const status = `${problem.status} ${STATUS_CODES[problem.status] ?? ''}`
  socket.on('error', () => socket.destroy()) // it may be gone already
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy())
}
