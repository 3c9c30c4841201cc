/** What the page asks the gateway. */
import { randomId } from './random-id.ts'
import type { LogLine } from '../../../shared/backends/elasticsearch.ts'
import type { catalogueView } from '../../catalogue.ts'
import type { CheckoutView, Step, acceptedView } from '../../checkout-view.ts'
import type { ProblemDocument } from '../../problem.ts'
import type { Chart, ChartName, ChartRange } from '../charts.ts'
import type { PageUrls, RecentCheckout, SpansAnswer } from '../console.ts'
import type { z } from 'zod'

export type {
  Chart,
  ChartName,
  ChartRange,
  CheckoutView,
  LogLine,
  PageUrls,
  RecentCheckout,
  SpansAnswer,
  Step,
}
export type Catalogue = z.infer<typeof catalogueView>
export type Accepted = z.infer<typeof acceptedView>

export interface CheckoutRequest {
  readonly user: { readonly email: string; readonly name: string }
  readonly order: { readonly items: readonly { readonly sku: string; readonly quantity: number }[] }
  readonly payment: { readonly token: string }
}

/** An answer that is no 2xx, or none at all. `message` is for people. */
export class RequestFailed extends Error {
  readonly problem: ProblemDocument | undefined

  constructor(message: string, problem?: ProblemDocument) {
    super(message)
    this.name = 'RequestFailed'
    this.problem = problem
  }
}

const timeoutMillis = 10_000

async function ask<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
  let response: Response
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(timeoutMillis) })
  } catch {
    throw new RequestFailed('The gateway does not answer.')
  }
  if (response.ok) return (await response.json()) as Answer
  const problem = (await response.json().catch(() => undefined)) as ProblemDocument | undefined
  throw new RequestFailed(problem?.detail ?? `The gateway answered ${response.status}.`, problem)
}

const checkoutPath = (checkoutId: string): string =>
  `/console/api/checkouts/${encodeURIComponent(checkoutId)}`

export const api = {
  settings: () => ask<{ readonly pages: PageUrls }>('/console/api/settings'),
  catalogue: () => ask<Catalogue>('/catalogue'),
  recent: () => ask<{ readonly checkouts: readonly RecentCheckout[] }>('/console/api/checkouts'),
  checkout: (id: string) => ask<CheckoutView>(checkoutPath(id)),
  spansOfCheckout: (id: string, traceId: string | null) =>
    ask<SpansAnswer>(`${checkoutPath(id)}/spans${traceId === null ? '' : `?trace=${traceId}`}`),
  logsOfCheckout: (id: string) => ask<{ readonly logs: readonly LogLine[] }>(`${checkoutPath(id)}/logs`),
  spansOfTrace: (id: string) => ask<SpansAnswer>(`/console/api/traces/${id}/spans`),
  logsOfTrace: (id: string) => ask<{ readonly logs: readonly LogLine[] }>(`/console/api/traces/${id}/logs`),
  chart: (name: ChartName, range: ChartRange) => ask<Chart>(`/console/api/charts/${name}/${range}`),
  place: (request: CheckoutRequest) =>
    ask<Accepted>('/checkouts', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': randomId() },
      body: JSON.stringify(request),
    }),
}
