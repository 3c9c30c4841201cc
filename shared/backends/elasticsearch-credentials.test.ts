import { deepEqual, throws } from 'node:assert/strict'
import { elasticsearchHeaders } from './elasticsearch-credentials.ts'

describe('credentials for Elasticsearch', () => {
  it('are none unless there is a user', () => {
    deepEqual(elasticsearchHeaders({}), {})
    deepEqual(elasticsearchHeaders({ ELASTICSEARCH_USERNAME: '', ELASTICSEARCH_PASSWORD_FILE: '' }), {})
  })

  it('are sent as RFC 7617 has them', () => {
    deepEqual(
      elasticsearchHeaders({ ELASTICSEARCH_USERNAME: 'Aladdin', ELASTICSEARCH_PASSWORD: 'open sesame' }),
      {
        authorization: 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==',
      },
    )
  })

  it('are refused by halves', () => {
    throws(() => elasticsearchHeaders({ ELASTICSEARCH_USERNAME: 'Aladdin' }), {
      code: 'bad_credentials',
      message: /^ELASTICSEARCH_USERNAME: /,
    })
  })
})
