import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { BadConfiguration, readConfig } from './config.ts'

const password = 'hunter2'

describe('the security of the transport', () => {
  let folder: string
  const write = (name: string, content: string): string => {
    const file = join(folder, name)
    writeFileSync(file, content)
    return file
  }
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'sagascope-test-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const refusal = (environment: NodeJS.ProcessEnv): string[] => {
    try {
      readConfig(environment)
    } catch (error) {
      ok(error instanceof BadConfiguration)
      ok(!error.message.includes(password), error.message)
      return error.message.split('\n')
    }
    return []
  }

  const sasl = {
    KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_SASL_USERNAME: 'orders',
    KAFKA_SASL_PASSWORD: password,
  }

  it('is none unless it is asked for', () => {
    const { kafkaSecurity, mongodbCredentials } = readConfig({})
    deepEqual([kafkaSecurity, mongodbCredentials], [{}, undefined])
  })

  it('reads a password from a file, less the newline that an editor leaves', () => {
    const { kafkaSecurity, mongodbCredentials } = readConfig({
      ...sasl,
      KAFKA_SASL_PASSWORD: '',
      KAFKA_SASL_PASSWORD_FILE: write('kafka', ` ${password} \n`),
      MONGODB_USERNAME: 'saga',
      MONGODB_PASSWORD_FILE: write('mongodb', password),
    })
    equal(kafkaSecurity.sasl?.mechanism, 'scram-sha-512')
    equal(kafkaSecurity.sasl.password.reveal(), ` ${password} `)
    deepEqual(kafkaSecurity.tls, {})
    equal(mongodbCredentials?.password.reveal(), password)
  })

  it('does not show a password, however the configuration is printed', () => {
    const config = readConfig({ ...sasl, MONGODB_USERNAME: 'saga', MONGODB_PASSWORD: password })
    for (const printed of [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      `${String(config.kafkaSecurity.sasl?.password)}${JSON.stringify(Object.entries(config))}`,
    ]) {
      ok(!printed.includes(password), printed)
      ok(printed.includes('[secret]'))
    }
  })

  const halves: readonly (readonly [string, NodeJS.ProcessEnv, readonly string[]])[] = [
    [
      'a user without a password',
      { ...sasl, KAFKA_SASL_PASSWORD: '' },
      ['KAFKA_SASL_USERNAME: is there without KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE'],
    ],
    [
      'a password without a user',
      { MONGODB_PASSWORD: password },
      ['MONGODB_USERNAME: is missing, though there is a password'],
    ],
    [
      'two passwords',
      { ...sasl, KAFKA_SASL_PASSWORD_FILE: '/somewhere' },
      ['KAFKA_SASL_PASSWORD: is there and KAFKA_SASL_PASSWORD_FILE as well; only one of them can be meant'],
    ],
    [
      'a file that is not there',
      { ...sasl, KAFKA_SSL_CA_FILE: '/nowhere/ca.pem' },
      ['KAFKA_SSL_CA_FILE: "/nowhere/ca.pem" cannot be read (ENOENT)'],
    ],
    [
      'a certificate without a key',
      { ...sasl, KAFKA_SSL_CERT_FILE: import.meta.filename },
      ['KAFKA_SSL_CERT_FILE: is there without KAFKA_SSL_KEY_FILE; a client certificate needs both'],
    ],
    [
      'an authority that is no certificate',
      { OTEL_EXPORTER_OTLP_CERTIFICATE: import.meta.filename },
      ['OTEL_EXPORTER_OTLP_CERTIFICATE: has no certificate in PEM'],
    ],
    [
      'a key for OTLP without its certificate',
      { OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: import.meta.filename },
      [
        'OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: is there without OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE; a client certificate needs both',
      ],
    ],
    [
      'a password that TLS should hide and does not',
      { ...sasl, KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT', KAFKA_SASL_MECHANISM: 'PLAIN' },
      ['KAFKA_SASL_MECHANISM: plain would send the password readable; it needs SASL_SSL'],
    ],
    [
      'a user for a protocol that has none',
      { ...sasl, KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_SASL_MECHANISM: '' },
      ['KAFKA_SASL_USERNAME: is there, but KAFKA_SECURITY_PROTOCOL is SSL; SASL_SSL uses it'],
    ],
    [
      'a protocol without the user that it needs',
      { KAFKA_SECURITY_PROTOCOL: 'SASL_SSL', KAFKA_SASL_MECHANISM: 'plain' },
      ['KAFKA_SASL_USERNAME: is missing; KAFKA_SECURITY_PROTOCOL is SASL_SSL'],
    ],
    [
      'a protocol and a mechanism that do not exist',
      { ...sasl, KAFKA_SECURITY_PROTOCOL: 'TLS' },
      [
        'KAFKA_SECURITY_PROTOCOL: "TLS" is refused: is one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL',
        'KAFKA_SASL_MECHANISM: is there, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT; SASL_SSL uses it',
        'KAFKA_SASL_USERNAME: is there, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT; SASL_SSL uses it',
      ],
    ],
    [
      'a user twice',
      {
        MONGODB_URL: `mongodb://saga:${password}@database`,
        MONGODB_USERNAME: 'saga',
        MONGODB_PASSWORD: password,
      },
      ['MONGODB_USERNAME: is there, and MONGODB_URL names a user as well'],
    ],
  ]
  for (const [title, environment, message] of halves) {
    it(`is refused with ${title}`, () => {
      deepEqual(refusal(environment), message)
    })
  }
})
