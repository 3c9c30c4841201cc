/**
 * Runs the input of a checkout once more, through the gateway: the one door behind which a checkout is promised. What
 * comes in there is validated, counted and limited as ever, is in the store before it is on Kafka, and its trace begins
 * with the request, as that of the first did, so the two can be compared span by span. The span that asked for it is
 * a trace of its own and links to both.
 */
import { randomUUID } from 'node:crypto'
import type { Tracer } from '@opentelemetry/api'
import { trace } from '@opentelemetry/api'
import { z } from 'zod'
import { fetchCheckout, postCheckout } from '../../infra/verify/checkouts.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import { ATTR_SAGA_ID } from '../../shared/telemetry/saga-id.ts'
import { spanNamedBy } from '../../shared/telemetry/traceparent.ts'
import type { ChosenMessage } from './chosen.ts'
import { firstSenderOf, originOf } from './replay-messages.ts'
import { inOwnTrace } from './send-again.ts'

/** The first checkout and the one that was made of its input. */
export interface Pair {
  readonly checkoutId: string
  readonly newCheckoutId: string
  /** Where telemetry was on. */
  readonly traceId?: string | undefined
  readonly newTraceId?: string | undefined
}

/** The gateway did not accept it; the message has its answer, which never repeats what was sent. */
export class NotAccepted extends Error {
  readonly code = 'not_accepted'
}

/** What the client sent, as the event has it: all but the deadline, which was the gateway's. */
export function requestOf({ recorded: { event } }: ChosenMessage, email?: string) {
  if (event.type !== 'CheckoutRequested') return undefined
  const { user, order, payment } = event.data
  return { user: { ...user, ...(email !== undefined && { email }) }, order, payment }
}

const accepted = z.object({ checkoutId: z.string(), traceId: z.string().nullable() })
const problem = z.object({ title: z.string().optional(), detail: z.string().optional() })

/** @throws NotAccepted, BackendUnavailable */
export function replayAsNew(
  chosen: ChosenMessage,
  { gatewayUrl, email }: { readonly gatewayUrl: string; readonly email?: string },
  tracer: Tracer = trace.getTracer('sagascope'),
): Promise<Pair> {
  const { checkoutId } = chosen.recorded
  const sender = firstSenderOf(chosen)
  const ownTrace = {
    name: 'replay checkout',
    links: [sender],
    attributes: { 'replay.of': originOf(chosen), 'replay.saga.id': checkoutId },
  }
  return inOwnTrace(tracer, ownTrace, async (span) => {
    const idempotencyKey = { 'idempotency-key': `replay-${randomUUID()}` }
    const answer = await postCheckout(gatewayUrl, requestOf(chosen, email), idempotencyKey).catch(
      (cause: unknown) => {
        throw new BackendUnavailable(`The gateway does not answer at ${gatewayUrl}`, { cause })
      },
    )
    if (answer.status !== 202) {
      const { title = '', detail = '' } = problem.safeParse(answer.body).data ?? {}
      throw new NotAccepted(`The gateway answered ${answer.status}: ${title} ${detail}`.trim())
    }
    const { checkoutId: newCheckoutId, traceId: newTraceId } = accepted.parse(answer.body)
    const request = spanNamedBy(answer.headers.get('traceresponse') ?? undefined)
    if (request) span.addLink({ context: request })
    span.setAttribute(ATTR_SAGA_ID, newCheckoutId)
    return { checkoutId, newCheckoutId, traceId: sender?.traceId, newTraceId: newTraceId ?? undefined }
  })
}

const ends: ReadonlySet<string> = new Set(['completed', 'compensated', 'rejected'])

/**
 * Waits for the end of a checkout.
 * @returns its status; undefined when it has none by then
 * @throws BackendUnavailable
 */
export async function endOf(
  gatewayUrl: string,
  checkoutId: string,
  deadlineMillis: number,
): Promise<string | undefined> {
  let failure: unknown
  return eventually(
    `the end of checkout ${checkoutId}`,
    async () => {
      failure = undefined
      const view = await fetchCheckout(gatewayUrl, checkoutId).catch((error: unknown) => {
        failure = error
        return undefined
      })
      return view && ends.has(view.status) ? view.status : undefined
    },
    { deadlineMillis, intervalMillis: 250 },
  ).catch(() => {
    if (failure !== undefined) throw failure as Error
    return undefined
  })
}
