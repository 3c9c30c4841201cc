/** The page: what is where, and which key does what. */
import type { TemplateResult } from 'lit-html'
import { html, nothing, render } from 'lit-html'
import { App } from './app.ts'
import { chartsView, loadPlotter } from './charts-view.ts'
import { compareView } from './compare-view.ts'
import { shortId } from './format.ts'
import { placeForm } from './place-form.ts'
import { recentList } from './recent-list.ts'
import { addressOf, compareAddress, parseId } from './route.ts'
import { subjectView } from './subject-view.ts'

const root = document.getElementById('app')
if (!root) throw new Error('index.html has no #app')
const app = new App(() => {
  render(page(), root)
  document.title = title()
})
root.textContent = ''

function page(): TemplateResult {
  const { route } = app
  return html`<a class="skip" href="#main" @click=${toMain}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/"><img src="/console/icon.svg" alt="" width="18" height="18" /> Sagascope</a>
      <form class="open-id" role="search" @submit=${openId}>
        <label class="hidden" for="open-id">Open a checkout or trace by its id</label>
        <input
          id="open-id"
          name="id"
          placeholder="checkout or trace id"
          autocomplete="off"
          spellcheck="false"
        />
        <button type="submit">Open</button>
      </form>
      <button aria-label="Keyboard shortcuts" aria-keyshortcuts="?" @click=${showHelp}>?</button>
    </header>
    <div class="layout" data-view=${route.view}>
      <div class="aside">${placeForm(app)} ${route.view === 'overview' ? nothing : recentList(app)}</div>
      <main id="main" tabindex="-1">
        ${route.view === 'overview' ? nothing : html`<a class="back" href="#/">← All checkouts</a>`}
        ${content()}
      </main>
    </div>
    ${help()}`
}

function title(): string {
  const { route, subjects } = app
  const [subject] = subjects
  if (route.view === 'compare') return `${shortId(route.a.id)} and ${shortId(route.b.id)} · Sagascope`
  if (route.view !== 'subject' || !subject) return 'Sagascope'
  return `${subject.checkout.value?.status ?? subject.ref.kind} ${shortId(subject.ref.id)} · Sagascope`
}

function content(): TemplateResult {
  const { route, subjects } = app
  const [a, b] = subjects
  switch (route.view) {
    case 'overview':
      return html`<h1 class="hidden" tabindex="-1">Checkouts</h1>
        ${chartsView(app)} ${recentList(app)}
        <p class="quiet hint">
          Open a checkout to see its steps as they happen, its trace as a waterfall, and its log lines.
          <kbd>?</kbd> lists the keys.
        </p>`
    case 'subject':
      return a ? subjectView(app, a, route.spanId) : html``
    case 'compare':
      return a && b ? compareView(app, a, b) : html``
    case 'nothing':
      return html`<h1 tabindex="-1">Nothing is at this address</h1>
        <p class="quiet">An id is missing from it, or is none.</p>`
  }
}

const keys: readonly (readonly [string, string])[] = [
  ['n', 'place a new checkout'],
  ['/', 'open one by its id'],
  ['c', 'compare with the one before it in the list'],
  ['s', 'show or hide the store’s spans'],
  ['r', 'ask the backends again'],
  ['↑ ↓ Home End', 'go from span to span, in the trace'],
  ['Esc', 'leave the span; then, all checkouts'],
  ['?', 'this list'],
]

const help = (): TemplateResult =>
  html`<dialog id="help" aria-labelledby="help-title">
    <h2 id="help-title">Keys</h2>
    <dl>
      ${keys.map(
        ([key, what]) =>
          html`<dt>${key.split(' ').map((one) => html`<kbd>${one}</kbd> `)}</dt>
            <dd>${what}</dd>`,
      )}
    </dl>
    <button @click=${() => helpDialog().close()}>Close</button>
  </dialog>`

function toMain(event: Event): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function openId(event: SubmitEvent): void {
  event.preventDefault()
  const input = document.getElementById('open-id') as HTMLInputElement
  const ref = parseId(input.value)
  input.setCustomValidity(ref ? '' : 'Neither a checkout id nor a trace id')
  if (!ref) input.reportValidity()
  input.addEventListener('input', () => input.setCustomValidity(''), { once: true })
  if (!ref) return
  input.value = ''
  location.hash = addressOf(ref)
}

const helpDialog = (): HTMLDialogElement => document.getElementById('help') as HTMLDialogElement

function showHelp(): void {
  if (!helpDialog().open) helpDialog().showModal()
}

function compareWithPrevious(): void {
  const { route, recentCheckouts } = app
  if (route.view !== 'subject') return
  const index = recentCheckouts.findIndex(({ checkoutId }) => checkoutId === route.subject.id)
  const other =
    recentCheckouts[index + 1] ?? recentCheckouts.find(({ checkoutId }) => checkoutId !== route.subject.id)
  if (other) location.hash = compareAddress({ kind: 'checkout', id: other.checkoutId }, route.subject)
}

const actions: Readonly<Record<string, () => void>> = {
  n: () => document.getElementById('scenario')?.focus(),
  '/': () => document.getElementById('open-id')?.focus(),
  c: compareWithPrevious,
  s: () => app.toggleStore(),
  r: () => app.refresh(),
  '?': showHelp,
  Escape: () => {
    if (app.route.view === 'subject' && app.route.spanId !== undefined) app.select(undefined)
    else location.hash = '#/'
  },
}

document.addEventListener('keydown', (event) => {
  const { target, key, ctrlKey, metaKey, altKey, defaultPrevented } = event
  const isTyping = target instanceof HTMLElement && target.closest('input, select, textarea, dialog') !== null
  if (ctrlKey || metaKey || altKey || defaultPrevented) return
  if (isTyping) {
    if (key === 'Escape' && !target.closest('dialog')) target.blur()
    return
  }
  const act = Object.hasOwn(actions, key) ? actions[key] : undefined
  if (!act) return
  event.preventDefault()
  act()
})

app.start()
void loadPlotter().then(app.changed)
app.changed()
