/** What the page shows, as its address says it: so that it can be sent to somebody. */
import { isCheckoutId } from '../../../shared/saga/checkout-id.ts'

/** A checkout, or a trace by its own id. */
export type SubjectKind = 'checkout' | 'trace'

export interface SubjectRef {
  readonly kind: SubjectKind
  readonly id: string
}

export type Route =
  | { readonly view: 'overview' }
  | { readonly view: 'subject'; readonly subject: SubjectRef; readonly spanId: string | undefined }
  | { readonly view: 'compare'; readonly a: SubjectRef; readonly b: SubjectRef }
  | { readonly view: 'nothing' }

/** A trace id or a checkout id; undefined for what is neither. */
export function parseId(text: string): SubjectRef | undefined {
  const id = text.trim()
  if (/^(?!0{32})[0-9a-f]{32}$/i.test(id)) return { kind: 'trace', id: id.toLowerCase() }
  return isCheckoutId(id) ? { kind: 'checkout', id } : undefined
}

/** @param hash `#/`, `#/checkouts/<id>?span=<spanId>`, `#/traces/<id>`, `#/compare/<id>/<id>` */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [view = '', ...ids] = path.split('/').map(decodeSafely)
  if (view === '') return { view: 'overview' }
  const [a, b] = ids.map(parseId)
  if (view === 'compare' && a && b) return { view: 'compare', a, b }
  if ((view === 'checkouts' || view === 'traces') && a) {
    return { view: 'subject', subject: a, spanId: new URLSearchParams(query).get('span') ?? undefined }
  }
  return { view: 'nothing' }
}

export const addressOf = ({ kind, id }: SubjectRef, spanId?: string): string =>
  `#/${kind}s/${id}${spanId === undefined ? '' : `?span=${spanId}`}`

export const compareAddress = (a: SubjectRef, b: SubjectRef): string => `#/compare/${a.id}/${b.id}`

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
