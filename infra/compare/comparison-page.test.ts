import { deepEqual, equal, match, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { compareTraces } from '../../shared/traces/compare-traces.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { compareSets } from './compare-sets.ts'
import { slowSpans, usualSpans } from './comparison-for-tests.ts'
import { comparisonPage, setsPage } from './comparison-page.ts'
import { escape, html } from './markup.ts'

/** All tags of a page, without what they hold. */
const tagsOf = (page: string): string[] => page.match(/<[^>]*>/g) ?? []
const kindsOf = (page: string): Set<string> =>
  new Set(tagsOf(page).map((tag) => /^<\/?([a-z0-9!]+)/i.exec(tag)?.[1] ?? tag))

const attack = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;\u202e\``

const hostile = (spans: readonly TraceSpan[]): TraceSpan[] =>
  spans.map((span) => ({
    ...span,
    name: `${span.name}${attack}`,
    service: `${span.service}${attack}`,
    attributes: Object.fromEntries(
      [...Object.entries(span.attributes), [`key${attack}`, `value${attack}`]].map(
        ([key = '', value = '']) => [key, `${value}${attack}`],
      ),
    ),
  }))

describe('markup', function () {
  this.timeout(10_000)

  it('takes what is filled in for text, and what was made as markup for that', () => {
    equal(
      html`<b title="${'a"b'}">${'<i>'}</b>${html`<hr />`}${[html`1`, html`2`]}${3}`.text,
      '<b title="a&quot;b">&lt;i&gt;</b><hr />123',
    )
  })

  it('leaves nothing of any text that could end a text or a quoted attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        // eslint-disable-next-line no-control-regex -- that is what must not be there
        ok(!/[<>"'`\u0000\u202e]/.test(escape(text)))
        ok(!/&(?!(amp|lt|gt|quot|#39|#96);)/.test(escape(text)))
      }),
    )
  })
})

describe('a comparison as a page', function () {
  this.timeout(10_000)

  const links = ['http://jaeger/trace/a...b']
  const page = comparisonPage(compareTraces(usualSpans, slowSpans), links)
  const sets = setsPage(compareSets([usualSpans], [slowSpans]))

  it('has a row for each span, queue and gap, both sides, marked where they differ', () => {
    equal(page.match(/<tr class="/g)?.length, compareTraces(usualSpans, slowSpans).rows.length)
    match(page, /<tr class="slower">[^]*?queue orders/)
    match(page, /<tr class="added">[^]*?capture payment[^]*?added, failed in B/)
    match(page, /<tr class="missing">[^]*?insert commits/)
    match(page, /<tr class="same">[^]*?POST \/checkouts/)
    match(page, /href="http:\/\/jaeger\/trace\/a\.\.\.b"/)
    match(sets, /<tr class="same">[^]*?capture payment/)
  })

  it('stands alone: no script, nothing loaded, and a policy that bars both', () => {
    for (const each of [page, sets]) {
      match(each, /default-src 'none'; style-src 'unsafe-inline'/)
      for (const kind of ['script', 'img', 'link', 'iframe', 'object', 'form', 'base'])
        ok(!kindsOf(each).has(kind), kind)
      ok(!/@import|url\(|javascript:|\ssrc=|\son[a-z]+=/i.test(each))
    }
  })

  it('is for the dark and the light, for a keyboard, and for whoever cannot see bars', () => {
    match(page, /color-scheme: light dark/)
    match(page, /name="viewport"/)
    match(page, /<label><input type="checkbox" id="differences"/)
    match(page, /role="region"\s+aria-label="Spans"/)
    match(page, /tabindex="0"/)
    ok(
      tagsOf(page)
        .filter((tag) => /class="lane"/.test(tag))
        .every((tag) => /role="img" aria-label="[AB]: /.test(tag)),
    )
    match(page, /<html lang="en">/)
  })

  it('takes nothing that spans carry for markup', () => {
    const compared = compareTraces(hostile(usualSpans), hostile(slowSpans))
    const attacked = comparisonPage(compared, links)
    // The same tags as without: one pair of dt and dd more for each span, and no new kind.
    deepEqual(kindsOf(attacked), kindsOf(page))
    ok(attacked.includes('&lt;script&gt;alert(1)&lt;/script&gt;'))
    for (const each of [attacked, setsPage(compareSets([hostile(usualSpans)], [hostile(slowSpans)]))]) {
      ok(!kindsOf(each).has('script') && !kindsOf(each).has('img'))
      ok(!each.includes('\u202e'))
      for (const tag of tagsOf(each)) ok(!/\son/.test(tag.replace(/"[^"]*"/g, '')), tag)
    }
  })
})
