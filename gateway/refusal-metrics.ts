/** Counts what is refused for want of room or of a server; what callers do wrong is in the HTTP metrics, by status. */
import { metrics } from '@opentelemetry/api'
import type { ProblemCode } from './problem.ts'

const refusals = metrics.getMeter('sagascope').createCounter('gateway.refusals', {
  description: 'Requests and connections refused by a limit, or for a server that is in trouble, by reason',
  unit: '{refusal}',
})

export const countRefusal = (reason: ProblemCode | 'connections' | 'connections_per_caller'): void =>
  refusals.add(1, { reason })
