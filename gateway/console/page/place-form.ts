/** The form that places a checkout, with each failure at hand. */
import type { TemplateResult } from 'lit-html'
import { html, nothing } from 'lit-html'
import type { App } from './app.ts'
import { failure } from './parts.ts'
import { freshEmail, unknownSku, unknownToken } from './scenarios.ts'

const groups = ['Payment', 'Order', 'Registration', 'Gateway'] as const

/** Which field a fault in the request is about, by its JSON pointer. */
const pointers = {
  email: '/user/email',
  sku: '/order/items/0/sku',
  quantity: '/order/items/0/quantity',
  token: '/payment/token',
} as const

const valueOf = (event: Event): string => (event.target as HTMLInputElement | HTMLSelectElement).value

export function placeForm(app: App): TemplateResult {
  const { catalogue, fields, placing } = app
  const { value } = catalogue
  return html`<section class="card place" aria-labelledby="place-title">
    <h2 id="place-title">Place a checkout</h2>
    ${failure(catalogue.error)}
    ${
      value
        ? html`<form
            novalidate
            @submit=${(event: Event) => {
              event.preventDefault()
              void app.place()
            }}
          >
            <label class="wide" for="scenario">What is to happen</label>
            <select id="scenario" class="wide" @change=${(event: Event) => app.choose(valueOf(event))}>
              ${groups.map(
                (group) =>
                  html`<optgroup label=${group}>
                    ${app.scenarios
                      .filter((scenario) => scenario.group === group)
                      .map(
                        ({ id, title }) =>
                          html`<option value=${id} ?selected=${id === app.scenarioId}>
                            ${group} ${title}
                          </option>`,
                      )}
                  </optgroup>`,
              )}
            </select>
            ${field(
              app,
              'email',
              'Email',
              html`<input
                id="email"
                type="email"
                autocomplete="off"
                spellcheck="false"
                .value=${fields.email}
                aria-invalid=${isFaulty(app, 'email')}
                aria-describedby="placing"
                @input=${(event: Event) => app.edit({ email: valueOf(event) })}
              />`,
            )}
            ${field(
              app,
              'sku',
              'Product',
              html`<select
                id="sku"
                aria-invalid=${isFaulty(app, 'sku')}
                @change=${(event: Event) => app.edit({ sku: valueOf(event) })}
              >
                ${[
                  ...value.products.map(({ sku, name, inStock }) => [
                    sku,
                    `${name}${inStock ? '' : ' (sold out)'}`,
                  ]),
                  [unknownSku, 'Not in the catalogue'],
                ].map(
                  ([sku, name]) =>
                    html`<option value=${sku ?? ''} .selected=${sku === fields.sku}>${name}</option>`,
                )}
              </select>`,
            )}
            ${field(
              app,
              'quantity',
              'Quantity',
              html`<input
                id="quantity"
                type="number"
                min="0"
                max="1000"
                .value=${String(fields.quantity)}
                aria-invalid=${isFaulty(app, 'quantity')}
                aria-describedby="placing"
                @input=${(event: Event) => app.edit({ quantity: Number(valueOf(event)) })}
              />`,
            )}
            ${field(
              app,
              'token',
              'Payment token',
              html`<select
                id="token"
                aria-invalid=${isFaulty(app, 'token')}
                @change=${(event: Event) => app.edit({ token: valueOf(event) })}
              >
                ${[...value.paymentTokens, { token: unknownToken, what: 'is declined: unknown_token' }].map(
                  ({ token, what }) =>
                    html`<option value=${token} title=${what} .selected=${token === fields.token}>
                      ${token}
                    </option>`,
                )}
              </select>`,
            )}
            <label class="check wide"
              ><input
                type="checkbox"
                .checked=${!app.keepEmail}
                @change=${(event: Event) => {
                  app.keepEmail = !(event.target as HTMLInputElement).checked
                  if (!app.keepEmail) app.edit({ email: freshEmail() })
                }}
              />
              another user each time</label
            >
            <div class="send wide">
              <button class="primary" type="submit" ?disabled=${placing.state === 'sending'}>Place</button>
              <label for="times">×</label>
              <input
                id="times"
                type="number"
                min="1"
                max="50"
                aria-label="How many"
                .value=${String(app.times)}
                @change=${(event: Event) => {
                  app.times = Math.min(50, Math.max(1, Math.floor(Number(valueOf(event)) || 1)))
                  app.changed()
                }}
              />
              <span id="placing" class=${placing.state} role="status">${placing.message}</span>
            </div>
            ${
              placing.faults.length === 0
                ? nothing
                : html`<ul class="faults wide">
                    ${placing.faults.map(
                      ({ pointer, detail }) => html`<li><code>${pointer}</code> ${detail}</li>`,
                    )}
                  </ul>`
            }
          </form>`
        : catalogue.isLoading
          ? html`<p class="quiet">Loading the catalogue …</p>`
          : html`<button @click=${() => void app.readCatalogue()}>Try again</button>`
    }
  </section>`
}

const field = (app: App, name: keyof typeof pointers, title: string, input: TemplateResult): TemplateResult =>
  html`<label for=${name} class=${isFaulty(app, name) === 'true' ? 'faulty' : ''}>${title}</label>${input}`

const isFaulty = ({ placing }: App, name: keyof typeof pointers): 'true' | 'false' =>
  placing.faults.some(({ pointer }) => pointer === pointers[name]) ? 'true' : 'false'
