/**
 * What the trace context of a caller is worth, INCOMING_TRACE_CONTEXT: its trace goes on (`continue`, the
 * default), or a fresh one begins whose first span links to the caller's (`link`). With `link` nothing that
 * a caller sends decides anything here, not even whether the trace is recorded. See README.md.
 */
import type { IncomingMessage } from 'node:http'
import type { Span, SpanContext } from '@opentelemetry/api'
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { removePropagationHeaders } from './propagation.ts'

/** The two places where the HTTP instrumentation lets others in. */
export interface PublicEdge {
  /** Comes before the request's headers are read for a trace to continue. */
  onRequest(request: IncomingMessage): void
  /** @param request of a server span the one that came in; others are passed over */
  onSpan(span: Span, request: object): void
}

/** @param setting INCOMING_TRACE_CONTEXT */
export function createPublicEdge(setting = 'continue'): PublicEdge {
  if (setting !== 'link') return { onRequest: () => undefined, onSpan: () => undefined }
  const callers = new WeakMap<object, SpanContext>()
  return {
    onRequest(request) {
      const caller = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, request.headers))
      if (caller) callers.set(request, caller)
      removePropagationHeaders(request.headers)
    },
    onSpan(span, request) {
      const caller = callers.get(request)
      if (caller) span.addLink({ context: caller })
    },
  }
}
