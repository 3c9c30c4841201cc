/** Small things that several views draw. */
import type { TemplateResult } from 'lit-html'
import { html, nothing } from 'lit-html'
import type { CheckoutView } from './api.ts'
import type { Link } from './links.ts'

type Status = CheckoutView['status']

/** A sign beside the colour, for those who do not see it. */
const signs: Readonly<Partial<Record<Status, string>>> = {
  completed: '✓',
  compensated: '↩',
  compensating: '↩',
  rejected: '✕',
  expired: '⧖',
}

export const statusPill = (status: Status): TemplateResult =>
  html`<span class="pill" data-status=${status}
    ><span class="sign" aria-hidden="true">${signs[status] ?? '●'}</span>${status}</span
  >`

export const serviceChip = (service: string): TemplateResult =>
  html`<span class="service" data-service=${service}>${service}</span>`

/** For one part of the page only; the others go on. */
export const failure = (error: string | undefined, hasOlder = false): TemplateResult | typeof nothing =>
  error === undefined
    ? nothing
    : html`<p class="failure" role="status">
        <span class="sign" aria-hidden="true">!</span> ${error}
        ${hasOlder ? 'What is shown is older.' : nothing}
      </p>`

export const outside = (links: readonly Link[]): TemplateResult | typeof nothing =>
  links.length === 0
    ? nothing
    : html`<span class="outside"
        >${links.map(
          ({ title, url }) =>
            html`<a href=${url} target="_blank" rel="noreferrer noopener"
              >${title}<span aria-hidden="true"> ↗</span></a
            >`,
        )}</span
      >`
