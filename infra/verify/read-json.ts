/** A backend that cannot be asked, or gives no answer that can be read. */
export class BackendUnavailable extends Error {
  readonly code = 'backend_unavailable'
  readonly retriable = true
}

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
): Promise<unknown> {
  const request: RequestInit =
    body === undefined
      ? { headers }
      : {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }
  let response: Response
  try {
    response = await fetch(url, { ...request, signal: AbortSignal.timeout(10_000) })
  } catch (cause) {
    throw new BackendUnavailable(`${backend} does not answer at ${url.origin}`, { cause })
  }
  if (response.status === 404) {
    await response.body?.cancel()
    return undefined
  }
  if (!response.ok) {
    throw new BackendUnavailable(
      `${backend} answered ${response.status}: ${(await response.text()).slice(0, 300)}`,
    )
  }
  return response.json()
}
