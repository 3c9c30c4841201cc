/** The console in a real browser, before real servers. */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { join } from 'node:path'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Services } from '../../infra/native/services.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { prepareServices } from '../../infra/native/services.ts'
import { serviceEnvironment } from '../../infra/native/service-environment.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { findTraces } from '../../shared/backends/jaeger.ts'
import type { RunningGateway } from '../gateway-process.ts'
import { startGatewayProcess } from '../gateway-process.ts'
import { complaintsOf, launchBrowser } from './browser-for-tests.ts'

const wide = { width: 1680, height: 1000 }
const locale = 'en-GB'
const narrow = { width: 360, height: 740 }
const pages = {
  JAEGER_UI_URL: 'http://jaeger.example',
  KIBANA_URL: 'http://kibana.example',
  GRAFANA_URL: 'http://grafana.example',
}

/** For people: CONSOLE_SCREENSHOTS names a folder to look at afterwards. */
async function picture(page: Page, name: string): Promise<void> {
  const { CONSOLE_SCREENSHOTS } = process.env
  if (CONSOLE_SCREENSHOTS) await page.screenshot({ path: join(CONSOLE_SCREENSHOTS, `${name}.png`) })
}

const attributesOf = async (locator: Locator, name: string): Promise<string[]> =>
  Promise.all((await locator.all()).map(async (each) => (await each.getAttribute(name)) ?? ''))

/** The rows of the waterfall; a select has options too. */
const spansOn = (page: Page): Locator => page.getByRole('listbox', { name: 'Spans' }).getByRole('option')

/** Where each kind of checkout ends; that of tok_broken only at its deadline. */
const endings = {
  tok_visa: 'completed',
  tok_mastercard: 'completed',
  tok_declined: 'compensated',
  tok_insufficient_funds: 'compensated',
  tok_expired: 'compensated',
  tok_slow: 'completed',
  tok_flaky: 'completed',
  'out-of-stock-SAGA-POSTER': 'compensated',
  'over-limit': 'compensated',
  'unknown-token': 'compensated',
  'blocked-email': 'rejected',
} as const

describe('the console', function () {
  this.timeout(120_000)
  let services: Services
  let browser: Browser
  let page: Page
  let complaints: string[]

  const statusPill = (name: string) => page.locator('main .heading .pill', { hasText: name })

  /** Places what the form is filled with. @returns the address of the checkout */
  async function place(scenario: string): Promise<string> {
    const before = page.url()
    await page.selectOption('#scenario', scenario)
    await page.getByRole('button', { name: 'Place' }).click()
    await page.waitForURL((url) => url.href !== before && url.hash.startsWith('#/checkouts/'))
    const checkoutId = page.url().split('/').at(-1) ?? ''
    await page.getByRole('heading', { name: checkoutId }).waitFor()
    return page.url()
  }

  before(async () => {
    const stack = await stackForTests()
    await stack.allReady
    services = await prepareServices(stack, pages)
    await Promise.all(services.names.map((name) => services.up(name)))
    browser = await launchBrowser()
    page = await browser.newPage({ viewport: wide, locale })
    page.setDefaultTimeout(20_000)
    complaints = complaintsOf(page)
    await page.goto(`${services.gatewayUrl}/console`)
  })
  after(async () => {
    await browser.close()
    await services.down()
  })

  it('begins with what can be placed, and says that there is nothing yet where that is so', async () => {
    await page.locator('#scenario option').first().waitFor({ state: 'attached' })
    const values = await attributesOf(page.locator('#scenario option'), 'value')
    deepEqual(
      values.sort(),
      [...Object.keys(endings), 'tok_broken', 'refused-product', 'refused-quantity'].sort(),
    )
    await page.locator('.recent .quiet, .recent li').first().waitFor()
    await picture(page, '01-empty')
  })

  const addresses = new Map<string, string>()

  for (const [scenario, status] of Object.entries(endings)) {
    it(`places a checkout by its form and sees it to its end: ${scenario}`, async () => {
      addresses.set(scenario, await place(scenario))
      await statusPill(status).waitFor()
      await page.locator('.steps li', { hasText: new RegExp(`Checkout${status}`, 'i') }).waitFor()
    })
  }

  it('shows the steps as they happen', async () => {
    await place('tok_slow')
    // The payment network takes two seconds: the order is there, and the payment is not.
    await page.locator('.steps li', { hasText: 'OrderPlaced' }).waitFor()
    equal(await page.locator('.steps li', { hasText: 'PaymentCaptured' }).count(), 0)
    await picture(page, '02-live')
    await page.locator('.steps li', { hasText: 'CheckoutCompleted' }).waitFor()
  })

  it('says what the gateway refuses, at the field', async () => {
    await page.selectOption('#scenario', 'refused-quantity')
    await page.getByRole('button', { name: 'Place' }).click()
    await page.locator('#placing', { hasText: '422' }).waitFor()
    equal(await page.locator('#quantity').getAttribute('aria-invalid'), 'true')
    match((await page.locator('.faults').textContent()) ?? '', /\/order\/items\/0\/quantity/)
    await picture(page, '03-refused')
    await page.selectOption('#scenario', 'tok_visa')
  })

  it('shows the trace as a waterfall, and of a span its attributes and log lines', async () => {
    await page.goto(addresses.get('tok_declined') ?? '')
    // The last hop is that of the checkout service.
    await page.getByRole('option', { name: /^checkout send checkouts/ }).waitFor()
    await picture(page, '04-trace')
    const consumer = page.getByRole('option', { name: /^payments process orders/ })
    await consumer.click()
    await page.getByRole('heading', { name: 'process orders' }).waitFor()
    match((await page.locator('.span-details').textContent()) ?? '', /messaging\.destination\.name\s*orders/)
    await page.locator('.logs li', { hasText: 'payments' }).first().waitFor()
    match(page.url(), /\?span=[0-9a-f]{16}$/)
    await picture(page, '05-span')
    const shared = page.url()
    await page.goto('about:blank')
    await page.goto(shared)
    await page.getByRole('heading', { name: 'process orders' }).waitFor()
  })

  it('links to the pages of Jaeger, Kibana and Grafana', async () => {
    const addressesOf = await attributesOf(page.locator('.outside a'), 'href')
    match(addressesOf[0] ?? '', /^http:\/\/jaeger\.example\/trace\/[0-9a-f]{32}$/)
    match(decodeURIComponent(addressesOf[1] ?? ''), /^http:\/\/kibana\.example\/.*trace_id : "[0-9a-f]{32}"/)
    match(addressesOf[2] ?? '', /^http:\/\/grafana\.example\/d\/sagascope-saga\?from=\d+&to=\d+$/)
  })

  it('shows a second one beside it', async () => {
    const idOf = (scenario: string) => (addresses.get(scenario) ?? '').split('/').at(-1) ?? ''
    await page.goto(`${services.gatewayUrl}/console#/compare/${idOf('tok_visa')}/${idOf('tok_slow')}`)
    const slow = page.locator('.compare tr[data-verdict="slower"]', { hasText: 'payment' })
    await slow.first().waitFor()
    match((await page.locator('.heading').textContent()) ?? '', /most of it in payments: capture payment/)
    const [jaeger] = await attributesOf(page.locator('.outside a'), 'href')
    match(jaeger ?? '', /^http:\/\/jaeger\.example\/trace\/[0-9a-f]{32}\.\.\.[0-9a-f]{32}$/)
    await picture(page, '06-compare')
    await page.goto(`${services.gatewayUrl}/console#/compare/${idOf('tok_visa')}/${idOf('tok_declined')}`)
    await page.locator('.compare tr[data-verdict="added"]').first().waitFor()
    await picture(page, '07-compare-declined')
  })

  it('draws rate, duration and failures, and lists the recent ones with their state', async () => {
    await page.goto(`${services.gatewayUrl}/console#/`)
    const legend = (title: string) => page.locator('figure', { hasText: title }).locator('li')
    await page.locator('figure', { hasText: 'Failures' }).locator('canvas').waitFor()
    const numberOf = async (title: string, series: string) =>
      Number.parseFloat((await legend(title).filter({ hasText: series }).locator('b').textContent()) ?? '')
    const isDrawn = (title: string, series: string) =>
      eventually(`${series} above 0`, async () => (await numberOf(title, series)) > 0 || undefined)
    await isDrawn('Checkouts a minute', 'requested')
    await isDrawn('Duration', 'p95')
    await isDrawn('Failures', 'compensated')
    // Others may have placed some as well.
    const rows = page.locator('.recent li')
    ok((await rows.filter({ hasText: 'rejected' }).count()) >= 1)
    ok((await rows.filter({ hasText: 'completed' }).count()) >= 4)
    await picture(page, '08-overview')
  })

  it('can be used by keyboard alone', async () => {
    const { keyboard } = page
    await page.goto('about:blank')
    await page.goto(`${services.gatewayUrl}/console`)
    await page.locator('#scenario option').first().waitFor({ state: 'attached' })
    await keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await picture(page, '09-keys')
    await keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await keyboard.press('n')
    const focused = () =>
      page.evaluate('document.activeElement.id || document.activeElement.textContent.trim()')
    equal(await focused(), 'scenario')
    for (const next of ['email', 'sku', 'quantity', 'token']) {
      await keyboard.press('Tab')
      equal(await focused(), next)
    }
    await keyboard.press('Tab') // another user each time
    await keyboard.press('Tab')
    equal(await focused(), 'Place')
    await keyboard.press('Enter')
    await statusPill('completed').waitFor()
    const spans = spansOn(page)
    await spans.nth(10).waitFor()
    await spans.first().focus()
    await keyboard.press('ArrowDown')
    await keyboard.press('ArrowDown')
    equal(await spans.nth(2).getAttribute('aria-selected'), 'true')
    await page.locator('.span-details').waitFor()
    await keyboard.press('Escape')
    equal(await page.locator('.span-details').count(), 0)
    await keyboard.press('c')
    await page.getByRole('heading', { name: 'Comparison' }).waitFor()
    await keyboard.press('Escape')
    await page.waitForURL(/#\/$/)
  })

  it('fits a narrow screen, and follows a preference for dark', async () => {
    const small = await browser.newPage({
      viewport: narrow,
      locale,
      colorScheme: 'dark',
      reducedMotion: 'reduce',
    })
    const smallComplaints = complaintsOf(small)
    const widthOf = () => small.evaluate<number>('document.scrollingElement.scrollWidth')
    await small.goto(`${services.gatewayUrl}/console`)
    await small.locator('.recent li').first().waitFor()
    await small.locator('canvas').first().waitFor()
    ok((await widthOf()) <= narrow.width, 'it scrolls sideways')
    await picture(small, '10-narrow-overview')
    await small.goto(addresses.get('tok_flaky') ?? '')
    await spansOn(small).nth(10).waitFor()
    await small.locator('.logs li').first().waitFor()
    ok((await widthOf()) <= narrow.width, 'it scrolls sideways')
    await picture(small, '11-narrow-trace')
    await small.locator('.trace').scrollIntoViewIfNeeded()
    await picture(small, '12-narrow-waterfall')
    equal(
      await small.evaluate('getComputedStyle(document.documentElement).backgroundColor'),
      'rgb(16, 19, 23)',
    )
    await small.setViewportSize(wide)
    await picture(small, '13-dark-trace')
    deepEqual(smallComplaints, [])
    await small.close()
  })

  it('leaves no trace of its own, and breaks none of its rules', async () => {
    const { urls } = await stackForTests()
    // Of all that the page has asked so far; the checkouts that it placed are in Jaeger by now.
    const traces = await findTraces(urls.jaegerUrl, { service: 'gateway' })
    const paths = traces.flat().map(({ attributes }) => attributes['url.path'] ?? '')
    ok(paths.includes('/checkouts'))
    deepEqual(
      paths.filter((path) => path.startsWith('/console')),
      [],
    )
    const refused =
      'Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)'
    deepEqual(complaints, [`${refused} ${services.gatewayUrl}/checkouts`])
  })

  describe('before backends that do not answer', () => {
    let gateway: RunningGateway
    before(async () => {
      const stack = await stackForTests()
      const closed = 'http://127.0.0.1:9'
      gateway = await startGatewayProcess({
        ...serviceEnvironment(stack),
        JAEGER_URL: closed,
        ELASTICSEARCH_URL: closed,
        PROMETHEUS_URL: closed,
      })
    })
    after(() => gateway.process.kill())

    it('says of each part which backend is missing, and still places checkouts and shows their steps', async () => {
      await page.goto(`${gateway.url}/console`)
      await page.locator('.recent .failure', { hasText: 'Elasticsearch does not answer' }).waitFor()
      equal(await page.locator('figure .failure', { hasText: 'Prometheus does not answer' }).count(), 3)
      await picture(page, '14-backends-down')
      await place('tok_visa')
      await statusPill('completed').waitFor()
      await page.locator('.trace .failure', { hasText: 'Jaeger does not answer' }).waitFor()
      await page.locator('.panel .failure', { hasText: 'Elasticsearch does not answer' }).waitFor()
      equal(await page.locator('.outside a').count(), 0)
      await picture(page, '15-backends-down-checkout')
    })

    it('says so when there is no such checkout', async () => {
      await page.goto(`${gateway.url}/console#/checkouts/nobodys`)
      await page.locator('main .failure').waitFor()
      await page.goto(`${gateway.url}/console#/checkouts/`)
      await page.getByRole('heading', { name: 'Nothing is at this address' }).waitFor()
      await picture(page, '16-nothing')
    })
  })
})
