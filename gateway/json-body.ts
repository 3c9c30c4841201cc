/** Reads a request's body: JSON in UTF-8, of bounded size, and nothing else. */
import type { IncomingMessage } from 'node:http'
import type { RawBodyError } from 'raw-body'
import getRawBody from 'raw-body'
import { Problem } from './problem.ts'

export const bodyLimitBytes = 65_536
/** A checkout has a depth of 5, and some hundred values at most. */
export const jsonLimits = { depth: 16, values: 2_000 } as const

const jsonMediaType = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i

/** @throws Problem unsupported_media_type, body_too_large, incomplete_body, malformed_json or json_too_complex */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const { 'content-type': mediaType = '', 'content-encoding': encoding = 'identity' } = request.headers
  if (!jsonMediaType.test(mediaType)) {
    throw new Problem('unsupported_media_type', 'Send Content-Type: application/json, in UTF-8.')
  }
  if (encoding.toLowerCase() !== 'identity') {
    throw new Problem('unsupported_media_type', 'Send the body as it is, with no Content-Encoding.')
  }
  const value = parse(await readBytes(request))
  refuseComplex(value)
  return value
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  try {
    return await getRawBody(request, {
      limit: bodyLimitBytes,
      length: request.headers['content-length'] ?? null,
    })
  } catch (error) {
    // What is left is read and dropped, so that the caller gets to read the answer.
    request.resume()
    throw toProblem(error as RawBodyError)
  }
}

function toProblem(error: RawBodyError): unknown {
  if (error.type === 'entity.too.large') {
    return new Problem('body_too_large', `Send at most ${bodyLimitBytes} bytes.`)
  }
  if (error.type === 'request.aborted' || error.type === 'request.size.invalid') {
    return new Problem('incomplete_body', 'Send as many bytes as Content-Length says.')
  }
  return error
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // The parser's own message quotes the body, so it is neither passed on nor kept as a cause.
    throw new Problem('malformed_json', `These ${bytes.length} bytes cannot be read as JSON in UTF-8.`)
  }
}

/** Before anything walks it by recursion. Level by level, so that it needs no stack itself. */
function refuseComplex(value: unknown): void {
  let values = 1
  let level: unknown[] = [value]
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > jsonLimits.depth || values > jsonLimits.values) {
      throw new Problem(
        'json_too_complex',
        `Send at most ${jsonLimits.values} values, nested at most ${jsonLimits.depth} deep.`,
      )
    }
    level = level.flatMap((each): unknown[] =>
      typeof each === 'object' && each !== null ? Object.values(each) : [],
    )
    values += level.length
  }
}
