/** For tests: a bare connection to the gateway, for what no HTTP client would send. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'

export class RawConnection {
  readonly #socket: Socket
  readonly #closed: Promise<unknown>
  #received = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    const ended = Promise.withResolvers<undefined>()
    this.#closed = ended.promise
    for (const end of ['end', 'close']) socket.once(end, () => ended.resolve(undefined))
    socket.on('error', () => undefined) // a reset is an end too
    socket.on('data', (bytes) => {
      this.#received += bytes.toString('latin1')
    })
  }

  static async to(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url)
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
    const connection = new RawConnection(socket)
    await once(socket, 'connect')
    return connection
  }

  /** Strings are sent byte for byte, as Latin-1. */
  send(bytes: string | Uint8Array): void {
    if (this.#socket.writable)
      this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** What has come so far. */
  get received(): string {
    return this.#received
  }

  /** Says that nothing will follow, and reads on. */
  endSending(): void {
    this.#socket.end()
  }

  /** Everything that came until the other side closed. */
  async untilClosed(): Promise<string> {
    await this.#closed
    this.#socket.destroy()
    return this.#received
  }

  close(): void {
    this.#socket.destroy()
  }
}

export interface RawAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Takes apart what came on a connection: final answers with Content-Length, chunks or no body, one after the other. */
export function answersIn(received: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = received
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd === -1) throw new Error(`no head: ${JSON.stringify(rest.slice(0, 200))}`)
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) throw new Error(`no status line: ${JSON.stringify(statusLine)}`)
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
      }),
    )
    rest = rest.slice(headEnd + 4)
    if (status < 200) continue
    const { body, length } = bodyOf(rest, headers)
    rest = rest.slice(length)
    answers.push({ status, headers, body })
  }
  return answers
}

function bodyOf(rest: string, headers: Readonly<Record<string, string>>): { body: string; length: number } {
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? 0)
    return { body: rest.slice(0, length), length }
  }
  let body = ''
  let at = 0
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at)
    const size = Number.parseInt(rest.slice(at, lineEnd), 16)
    if (lineEnd === -1 || Number.isNaN(size)) return { body, length: rest.length }
    body += rest.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
    if (size === 0) return { body, length: at }
  }
}
