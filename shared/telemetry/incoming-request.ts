/**
 * What telemetry keeps of a request that comes in: nothing that is only the caller's words. They may be personal
 * (an email in a query, a name in the baggage), and nobody can take them out of a trace or a topic again.
 */
import type { IncomingMessage } from 'node:http'
import type { Attributes } from '@opentelemetry/api'

/**
 * Attributes of the server span that take the place of those that the instrumentation would write.
 * See https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
 */
export const requestAttributes = ({ url = '/' }: Pick<IncomingMessage, 'url'>): Attributes => ({
  'url.path': plainPath(url),
  'url.query': undefined,
  'user_agent.original': undefined,
  // Both are read from headers, Forwarded and Host.
  'client.address': undefined,
  'server.address': undefined,
})

/** A segment with more than letters, digits and `.~_-` is no id and no word of ours. */
function plainPath(url: string): string {
  const [path = ''] = url.split('?', 1)
  return path
    .split('/')
    .map((segment) => (/^[\w.~-]*$/.test(segment) ? segment : '*'))
    .join('/')
}

/**
 * Takes off a request what would go along with its trace: on every span and link (tracestate), in the headers of
 * every message (both). Sagascope reads neither, and the trace goes on without them.
 * See https://www.w3.org/TR/trace-context/#privacy-considerations
 */
export function dropPassengers({ headers }: Pick<IncomingMessage, 'headers'>): void {
  delete headers.tracestate
  delete headers.baggage
}
