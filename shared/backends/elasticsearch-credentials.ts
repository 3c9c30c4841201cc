/** Who the tools are towards Elasticsearch; the Collector has its own, infra/collector/security. */
import { readCredentials } from '../process/transport-security.ts'

/** What Elasticsearch wants and the environment says do not fit together. */
export class BadCredentials extends Error {
  readonly code = 'bad_credentials'
}

/**
 * The header for ELASTICSEARCH_USERNAME with ELASTICSEARCH_PASSWORD or ELASTICSEARCH_PASSWORD_FILE; none when there is
 * no user. An authority of its own is Node's matter: NODE_EXTRA_CA_CERTS.
 * @throws BadCredentials when there is only a half of them
 */
export function elasticsearchHeaders(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const { credentials, faults } = readCredentials('ELASTICSEARCH', environment)
  if (faults.length > 0) throw new BadCredentials(faults.join('\n'))
  if (!credentials) return {}
  const { username, password } = credentials
  return { authorization: `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}` }
}
