/** The latest checkouts and how they stand. */
import type { TemplateResult } from 'lit-html'
import { html, nothing } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { App } from './app.ts'
import { shortId, timeOfDay } from './format.ts'
import { failure, statusPill } from './parts.ts'
import { addressOf, compareAddress } from './route.ts'

const none = 'None yet. Those that any gateway accepts appear here, as the log has them in Elasticsearch.'

export function recentList(app: App): TemplateResult {
  const { recent, route, recentCheckouts: checkouts } = app
  const open = route.view === 'subject' ? route.subject : route.view === 'compare' ? route.a : undefined
  return html`<section class="card recent" aria-labelledby="recent-title">
    <h2 id="recent-title">Recent checkouts</h2>
    ${failure(recent.error, checkouts.length > 0)}
    ${
      checkouts.length === 0
        ? html`<p class="quiet">
            ${recent.isLoading ? 'Loading …' : recent.error === undefined ? none : nothing}
          </p>`
        : html`<ol>
            ${repeat(
              checkouts,
              ({ checkoutId }) => checkoutId,
              ({ checkoutId, status, reason, requestedAt, durationMillis }) => {
                const ref = { kind: 'checkout', id: checkoutId } as const
                const isOpen = app.subjects.some((subject) => subject.ref.id === checkoutId)
                return html`<li class=${isOpen ? 'open' : ''}>
                  <a class="row" href=${addressOf(ref)} aria-current=${isOpen ? 'true' : 'false'}>
                    ${statusPill(status)}
                    <span class="why">${reason ?? nothing}</span>
                    <code class="id">${shortId(checkoutId)}</code>
                    <span class="number">${durationMillis} ms</span>
                    <time class="quiet" datetime=${requestedAt}>${timeOfDay(requestedAt)}</time>
                  </a>
                  ${
                    open === undefined
                      ? nothing
                      : open.id === checkoutId
                        ? html`<span class="beside"></span>`
                        : html`<a
                            class="beside"
                            href=${compareAddress(open, ref)}
                            title="Compare with the one that is open"
                            aria-label="Compare with ${shortId(checkoutId)}"
                            >⇄</a
                          >`
                  }
                </li>`
              },
            )}
          </ol>`
    }
  </section>`
}
