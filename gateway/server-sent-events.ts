/** The text of an event stream. See https://html.spec.whatwg.org/multipage/server-sent-events.html */

export const eventStreamMediaType = 'text/event-stream'

/** Data is one line of JSON, so no line break can end the event early. */
export const serverSentEvent = (name: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

/** A comment: says that the stream lives, and nothing else. */
export const heartbeat = ': still here\n\n'

/** How long a client waits before it connects again. */
export const reconnectAfter = (millis: number): string => `retry: ${millis}\n\n`
