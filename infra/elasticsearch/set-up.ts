/**
 * Prepares an Elasticsearch that lasts: index template, retention, and the first index. In containers it runs once,
 * before the Collector starts: `ELASTICSEARCH_URL=http://elasticsearch:9200 node infra/elasticsearch/set-up.ts`.
 * Running it again changes nothing but what was changed in the files. Credentials: ./credentials.ts.
 *
 * The native stack does without: its distribution has no lifecycle management and every run begins with empty
 * data. It puts the same template, so fields are the same everywhere, and makes the index before the Collector as well.
 */
import { readFile } from 'node:fs/promises'
import { elasticsearchHeaders } from '../../shared/backends/elasticsearch-credentials.ts'

const name = 'sagascope-logs'

/** Elasticsearch answered with something else than what was asked for. */
export class ElasticsearchRefused extends Error {
  readonly code = 'elasticsearch_refused'
  readonly retriable = false
}

/**
 * The Collector writes to the name sagascope-logs. Here that is an alias, and behind it stand indices that are
 * exchanged once a day and deleted after seven: https://www.elastic.co/docs/manage-data/lifecycle/index-lifecycle-management
 * @throws ElasticsearchRefused
 */
export async function setUpElasticsearch(url: string): Promise<void> {
  const send = async (method: 'GET' | 'PUT', path: string, body?: unknown) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        ...elasticsearchHeaders(),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const answer = await response.text()
    if (!response.ok && !(method === 'GET' && response.status === 404)) {
      throw new ElasticsearchRefused(`${method} ${path} was answered with ${response.status}: ${answer}`)
    }
    return response.ok
  }

  await send('PUT', `/_ilm/policy/${name}`, await json('retention-policy.json'))
  await send(
    'PUT',
    `/_index_template/${name}`,
    withRetention(await json<IndexTemplate>('index-template.json')),
  )
  // Whoever wrote before this has made an index of that name, and an alias can no longer be called so.
  if (!(await send('GET', `/_alias/${name}`))) {
    await send('PUT', `/${name}-000001`, { aliases: { [name]: { is_write_index: true } } })
  }
}

interface IndexTemplate {
  readonly template: { readonly settings: Readonly<Record<string, unknown>> }
}

/** The settings that only an Elasticsearch with lifecycle management knows; another refuses a template with them. */
function withRetention(template: IndexTemplate): IndexTemplate {
  const lifecycle = { 'index.lifecycle.name': name, 'index.lifecycle.rollover_alias': name }
  return {
    ...template,
    template: { ...template.template, settings: { ...template.template.settings, ...lifecycle } },
  }
}

async function json<Content>(file: string): Promise<Content> {
  return JSON.parse(await readFile(new URL(file, import.meta.url), 'utf8')) as Content
}

if (import.meta.main) {
  const url = process.env.ELASTICSEARCH_URL ?? 'http://localhost:9200'
  await setUpElasticsearch(url)
  console.log(`${name}: template, retention and first index are in place at ${url}`)
}
