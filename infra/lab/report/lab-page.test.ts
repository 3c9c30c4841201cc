import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { Browser } from 'playwright-core'
import { complaintsOf, launchBrowser } from '../../../gateway/console/browser-for-tests.ts'
import { comparisonOf, madeUpResult, truths } from './lab-result-for-tests.ts'
import { toPage } from './lab-page.ts'
import { makeReport } from './make-report.ts'
import { madeUpStudies } from './studies-for-tests.ts'

const tagsOf = (page: string): string[] => page.match(/<[^>]*>/g) ?? []
const kindsOf = (page: string): Set<string> =>
  new Set(tagsOf(page).map((tag) => /^<\/?([a-z0-9!]+)/i.exec(tag)?.[1] ?? tag))

describe('the lab’s report as a page', function () {
  this.timeout(60_000)

  const page = toPage(makeReport(madeUpResult(), madeUpStudies()))

  it('needs no network and no script, and says so to the browser', () => {
    match(page, /content="default-src 'none'; style-src 'unsafe-inline'/)
    ok(!kindsOf(page).has('script') && !kindsOf(page).has('link') && !kindsOf(page).has('img'))
    ok(!/url\(|https?:/.test(page))
  })

  it('says of every mark what it is', () => {
    const marks = tagsOf(page).filter((tag) => /role="img"/.test(tag))
    ok(marks.length > 60, `${marks.length}`)
    for (const mark of marks) match(mark, /aria-label="[^"]+"/)
    match(page, /aria-label="all by off: 0\.9\d\d \(0\.9\d\d to 0\.9\d\d\)/)
    match(page, /aria-label="auto-instrumentations: services [\d.]+ ms, Collector [\d.]+ ms/)
  })

  it('draws a study that was made, and none that was not', () => {
    match(page, /Cost as it grows/)
    ok(!toPage(makeReport(madeUpResult(), {})).includes('Cost as it grows'))
  })

  it('begins with why nothing of it may be believed, where that is so', () => {
    match(toPage(makeReport(madeUpResult({ comparisons: [] }), {})), /<strong>This run is void<\/strong>/)
    ok(!page.includes('This run is void'))
  })

  it('takes no name for markup', () => {
    const attack = `"'><script>alert(1)</script>`
    const about = { truth: truths.all, againstTruth: truths.off, arm: attack, against: attack, group: attack }
    const attacked = toPage(makeReport(madeUpResult({ comparisons: [comparisonOf(about)] }), {}))
    ok(!kindsOf(attacked).has('script'))
    ok(attacked.includes('&lt;script&gt;'))
  })

  describe('in a browser', () => {
    let browser: Browser
    before(async () => {
      browser = await launchBrowser()
    })
    after(() => browser.close())

    for (const [width, colorScheme] of [
      [1280, 'light'],
      [1280, 'dark'],
      [360, 'light'],
    ] as const) {
      it(`is as wide as the screen, ${width} pixels, ${colorScheme}, and every bar and dot is to be seen`, async () => {
        const tab = await browser.newPage({ viewport: { width, height: 800 }, colorScheme })
        const complaints = complaintsOf(tab)
        await tab.setContent(page)
        const widthsOf = (selector: string) =>
          tab.evaluate<number[]>(
            `[...document.querySelectorAll('${selector}')].map((each) => each.getBoundingClientRect().width)`,
          )
        const [dots, lanes] = [await widthsOf('.forest .dot'), await widthsOf('.lane')]
        equal(await tab.evaluate('document.documentElement.scrollWidth'), width)
        ok(dots.length > 15 && dots.every((dot) => dot > 5))
        ok(
          lanes.every((lane) => lane > 60),
          String(Math.min(...lanes)),
        )
        equal(
          await tab.evaluate('getComputedStyle(document.body).backgroundColor'),
          colorScheme === 'dark' ? 'rgb(20, 23, 27)' : 'rgb(255, 255, 255)',
        )
        deepEqual(complaints, [])
        await tab.close()
      })
    }
  })
})
