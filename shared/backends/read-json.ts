/** A backend that cannot be asked, or gives no answer that can be read. */
export class BackendUnavailable extends Error {
  readonly code = 'backend_unavailable'
  readonly retriable = true
}

export interface ReadLimits {
  readonly timeoutMillis: number
  readonly answerBytes: number
}

const defaultLimits: ReadLimits = { timeoutMillis: 10_000, answerBytes: 64 * 1_048_576 }

/**
 * Asks a backend's HTTP API.
 * @returns the parsed body, or undefined for 404
 * @throws BackendUnavailable naming the backend, its URL and what it answered
 */
export async function readJson(
  backend: string,
  url: URL,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
  { timeoutMillis, answerBytes }: ReadLimits = defaultLimits,
): Promise<unknown> {
  const request: RequestInit =
    body === undefined
      ? { headers }
      : {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }
  const unavailable = (what: string, cause?: unknown) =>
    new BackendUnavailable(`${backend} ${what}`, { cause })
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      ...request,
      redirect: 'error', // whoever answers there is not who was asked
      signal: AbortSignal.timeout(timeoutMillis),
    })
    text = await readText(response, answerBytes)
  } catch (cause) {
    throw unavailable(`does not answer at ${url.origin}`, cause)
  }
  if (response.status === 404) return undefined
  if (!response.ok) throw unavailable(`answered ${response.status}: ${text.slice(0, 300)}`)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw unavailable(`answered what is not JSON: ${text.slice(0, 300)}`, cause)
  }
}

async function readText(response: Response, limitBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    // Leaving the loop ends the connection.
    if (bytes > limitBytes) throw new RangeError(`the answer is larger than ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
