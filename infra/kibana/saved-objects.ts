/**
 * What Kibana is given: the data view of the logs, in which a trace_id leads to Jaeger, and the searches that people
 * begin with. Kibana imports sagascope.ndjson with
 *
 *     curl -H 'kbn-xsrf: true' -F file=@infra/kibana/sagascope.ndjson \
 *       'http://localhost:5601/api/saved_objects/_import?overwrite=true'
 *
 * Importing again replaces what is there. The versions below say in which shape an object is written; every later
 * Kibana (from 8.8 on) brings it up to its own.
 */
interface Reference {
  readonly id: string
  readonly name: string
  readonly type: string
}

export interface SavedObject {
  readonly id: string
  readonly type: 'index-pattern' | 'search'
  readonly attributes: Readonly<Record<string, unknown>>
  readonly references: readonly Reference[]
  readonly managed: false
  readonly coreMigrationVersion: string
  readonly typeMigrationVersion: string
}

/** Jaeger as the browser reaches it. Elsewhere than on one's own machine: replace it in the file, or in the data view. */
const jaegerUrl = 'http://localhost:16686'

const dataView: SavedObject = {
  id: 'sagascope-logs',
  type: 'index-pattern',
  attributes: {
    title: 'sagascope-logs*',
    name: 'Sagascope logs',
    timeFieldName: '@timestamp',
    fieldFormatMap: JSON.stringify({
      trace_id: {
        id: 'url',
        params: {
          type: 'a',
          urlTemplate: `${jaegerUrl}/trace/{{value}}`,
          labelTemplate: '{{value}}',
          openLinkInCurrentTab: false,
        },
      },
    }),
    // Kibana asks Elasticsearch for the fields.
    fields: '[]',
    fieldAttrs: '{}',
    runtimeFieldMap: '{}',
    sourceFilters: '[]',
    allowHidden: false,
  },
  references: [],
  managed: false,
  coreMigrationVersion: '8.8.0',
  typeMigrationVersion: '8.0.0',
}

/** The columns in which a log line reads from left to right: when, who, how bad, what, of which checkout and trace. */
const columns = [
  '@timestamp',
  'resource.attributes.service.name',
  'severity_text',
  'body.text',
  'attributes.saga.id',
  'trace_id',
]

interface Search {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly kql: string
  /** A story is read from its beginning, a stream of errors from its end. */
  readonly order: 'asc' | 'desc'
}

export const searches: readonly Search[] = [
  {
    id: 'sagascope-one-checkout',
    title: 'One checkout',
    description: 'Every line of a checkout, whatever trace it is in: put its id in quotes for the *.',
    kql: 'attributes.saga.id : *',
    order: 'asc',
  },
  {
    id: 'sagascope-one-trace',
    title: 'One trace',
    description:
      'Every line of a trace, as Jaeger, the gateway’s answer and traceresponse name it: put its id for the *.',
    kql: 'trace_id : *',
    order: 'asc',
  },
  {
    id: 'sagascope-errors',
    title: 'Errors',
    description: 'Lines from WARN (13) on, the newest first.',
    kql: 'severity_number >= 13',
    order: 'desc',
  },
]

const toSavedObject = ({ id, title, description, kql, order }: Search): SavedObject => ({
  id,
  type: 'search',
  attributes: {
    title,
    description,
    columns,
    sort: [['@timestamp', order]],
    grid: {},
    hideChart: false,
    isTextBasedQuery: false,
    timeRestore: false,
    kibanaSavedObjectMeta: {
      searchSourceJSON: JSON.stringify({
        query: { query: kql, language: 'kuery' },
        filter: [],
        indexRefName: 'kibanaSavedObjectMeta.searchSourceJSON.index',
      }),
    },
  },
  references: [
    {
      id: dataView.id,
      name: 'kibanaSavedObjectMeta.searchSourceJSON.index',
      type: dataView.type,
    },
  ],
  managed: false,
  coreMigrationVersion: '8.8.0',
  typeMigrationVersion: '10.2.0',
})

export const savedObjects: readonly SavedObject[] = [dataView, ...searches.map(toSavedObject)]

export const savedObjectsFile = new URL('sagascope.ndjson', import.meta.url)

/** One object a line, what is referred to before what refers to it. */
export const toNdjson = (objects: readonly SavedObject[]): string =>
  objects.map((object) => `${JSON.stringify(object)}\n`).join('')
