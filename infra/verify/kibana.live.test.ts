import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { SavedObject } from '../kibana/saved-objects.ts'
import { savedObjectsFile } from '../kibana/saved-objects.ts'
import type { Stack } from '../native/open-stack.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import type { CheckoutView } from './checkouts.ts'
import { placeCheckout, sampleCheckout, untilEnded } from './checkouts.ts'
import { eventually } from './eventually.ts'
import type { Row } from './kibana-query.ts'
import { discover, fieldTypes } from './kibana-query.ts'
import { stackForTests } from './stack-for-tests.ts'

describe('what Kibana finds', function () {
  // Where nothing is cached yet, the servers are compiled first.
  this.timeout(20 * 60_000)

  let stack: Stack
  let services: Services
  let view: CheckoutView
  let dataView: string
  let searches: readonly SavedObject[]

  const find = (kql: string, order?: 'asc' | 'desc') =>
    discover(stack.urls.elasticsearchUrl, dataView, kql, order)

  /** What every service that took a step has logged. */
  const whole = (label: string, kql: string) =>
    eventually(label, async () => {
      const rows = await find(kql, 'asc')
      const heard = new Set(rows.map((row) => row['resource.attributes.service.name']))
      return view.steps.every(({ service }) => heard.has(service)) ? rows : undefined
    })

  before(async () => {
    const objects = (await readFile(savedObjectsFile, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SavedObject)
    dataView = objects[0]?.attributes.title as string
    searches = objects.slice(1)

    stack = await stackForTests()
    await stack.allReady
    services = await prepareServices(stack)
    await Promise.all(services.names.map((name) => services.up(name)))
    // A payment that fails at first, so that there are warnings.
    const request = sampleCheckout({ email: `${randomUUID()}@example.com`, token: 'tok_flaky' })
    const { checkoutId } = await placeCheckout(services.gatewayUrl, request)
    view = await untilEnded(services.gatewayUrl, checkoutId)
  })
  after(() => services.down())

  it('by trace_id is every line of the trace, and no other', async () => {
    const rows = await whole('the lines of the trace', `trace_id : "${view.traceId}"`)
    for (const row of rows) equal(row['attributes.saga.id'], view.checkoutId)
  })

  it('by attributes.saga.id is every line of the checkout, and no other', async () => {
    const rows = await whole('the lines of the checkout', `attributes.saga.id : "${view.checkoutId}"`)
    for (const row of rows) equal(row['attributes.saga.id'], view.checkoutId)
    // Whoever asked the gateway for the checkout left a line too, in a trace of that request.
    ok(rows.some((row) => row.trace_id === view.traceId))
  })

  it('for an id that there is not is nothing', async () => {
    deepEqual(await find(`trace_id : "${'0'.repeat(31)}1"`), [])
  })

  it('has the same fields whatever the distribution: those of the index template', async () => {
    const types = await fieldTypes(stack.urls.elasticsearchUrl, dataView)
    const wanted = {
      '@timestamp': ['date_nanos'],
      trace_id: ['keyword'],
      span_id: ['keyword'],
      severity_text: ['keyword'],
      severity_number: ['byte'],
      'body.text': ['text'],
      'attributes.saga.id': ['keyword'],
      'attributes.event.name': ['keyword'],
      'resource.attributes.service.name': ['keyword'],
    }
    deepEqual(Object.fromEntries(Object.keys(wanted).map((name) => [name, types.get(name)])), wanted)
  })

  it('with each saved search fills all of its columns', async () => {
    equal(searches.length, 3)
    for (const { attributes } of searches) {
      const { kibanaSavedObjectMeta, columns, sort, title } = attributes as {
        readonly kibanaSavedObjectMeta: { readonly searchSourceJSON: string }
        readonly columns: readonly string[]
        readonly sort: readonly [readonly [string, 'asc' | 'desc']]
        readonly title: string
      }
      const { query } = JSON.parse(kibanaSavedObjectMeta.searchSourceJSON) as { query: { query: string } }
      const [[field, order]] = sort
      equal(field, '@timestamp')
      const rows = await eventually(`lines for "${title}"`, async () => {
        const found = await find(query.query, order)
        return found.some((row) => columns.every((column) => row[column] !== undefined)) ? found : undefined
      })
      const times = rows.map((row) => String(row['@timestamp']))
      deepEqual(times, order === 'asc' ? times.toSorted() : times.toSorted().reverse(), title)
    }
  })

  it('for errors are warnings and worse', async () => {
    const rows: Row[] = await find('severity_number >= 13')
    ok(rows.length > 0)
    for (const row of rows) ok(['WARN', 'ERROR', 'FATAL'].includes(String(row.severity_text).toUpperCase()))
  })
})
