/**
 * How a process proves who it is and knows whom it talks to, from the environment. Files are read once, at the
 * start: an exchanged certificate or password needs a new process. infra/security/README.md has the table.
 */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { Secret } from './secret.ts'

export const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

/** PEM, as `tls.connect` takes it; without a CA, those that Node brings along are trusted. */
export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface Credentials {
  readonly username: string
  readonly password: Secret
}

export interface KafkaSecurity {
  readonly tls?: TlsMaterial
  readonly sasl?: Credentials & { readonly mechanism: (typeof saslMechanisms)[number] }
}

export interface TransportSecurity {
  readonly kafkaSecurity: KafkaSecurity
  readonly mongodbCredentials?: Credentials
}

/** A line for each variable that is wrong or without its partner; never a secret in it. */
export type Faults = readonly string[]

/**
 * Reads what there is and refuses what is half there: a user without a password would otherwise be found out by a
 * server's refusal, and a mistyped file of a CA, by a service that trusts the wrong ones, perhaps never.
 */
export function readTransportSecurity(
  environment: NodeJS.ProcessEnv,
): TransportSecurity & { faults: Faults } {
  const reader = new Reader(environment)
  const kafkaSecurity = readKafka(reader)
  const mongodbCredentials = readMongodb(reader)
  checkOtlp(reader)
  return { kafkaSecurity, ...(mongodbCredentials && { mongodbCredentials }), faults: reader.faults }
}

/** `<prefix>_USERNAME`, with `<prefix>_PASSWORD` or the file that `<prefix>_PASSWORD_FILE` names. */
export function readCredentials(
  prefix: string,
  environment: NodeJS.ProcessEnv,
): { credentials: Credentials | undefined; faults: Faults } {
  const reader = new Reader(environment)
  return { credentials: reader.credentials(prefix), faults: reader.faults }
}

class Reader {
  readonly faults: string[] = []
  readonly #environment: NodeJS.ProcessEnv

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment
  }

  /** Empty is not there. */
  text(name: string): string | undefined {
    return this.#environment[name] === '' ? undefined : this.#environment[name]
  }

  refuse(name: string, why: string): void {
    this.faults.push(`${name}: ${why}`)
  }

  /** In capitals or not: Kafka itself and its clients do not agree on that. */
  choice<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const chosen = values.find((one) => one.toLowerCase() === value.toLowerCase())
    if (chosen !== undefined) return chosen
    this.refuse(name, `${JSON.stringify(value)} is refused: is one of ${values.join(', ')}`)
  }

  /** The content of the file that a variable names. */
  file(name: string): string | undefined {
    const path = this.text(name)
    if (path === undefined) return undefined
    try {
      const content = readFileSync(path, 'utf8')
      if (content.trim() !== '') return content
      this.refuse(name, `${JSON.stringify(path)} is empty`)
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException
      this.refuse(name, `${JSON.stringify(path)} cannot be read (${code})`)
      return undefined
    }
  }

  /** All or nothing of them. */
  credentials(prefix: string): Credentials | undefined {
    const [user, password, file] = ['USERNAME', 'PASSWORD', 'PASSWORD_FILE'].map((end) => `${prefix}_${end}`)
    if (user === undefined || password === undefined || file === undefined) return undefined
    const username = this.text(user)
    if (this.text(password) !== undefined && this.text(file) !== undefined) {
      this.refuse(password, `is there and ${file} as well; only one of them can be meant`)
      return undefined
    }
    // An editor or `echo` ends a file with a newline that is no part of the password.
    const fromFile = this.file(file)?.replace(/\r?\n$/, '')
    const secret = this.text(password) ?? fromFile
    if (username === undefined) {
      if (secret !== undefined) this.refuse(user, `is missing, though there is a password`)
      return undefined
    }
    if (secret === undefined) {
      // An unreadable file was complained of already.
      if (this.text(file) === undefined) this.refuse(user, `is there without ${password} or ${file}`)
      return undefined
    }
    return { username, password: new Secret(secret) }
  }

  /** A CA, and a certificate with its key: each file readable, and the two of a pair. */
  tls(names: { ca: string; cert: string; key: string }): TlsMaterial {
    for (const [one, other] of [
      [names.cert, names.key],
      [names.key, names.cert],
    ] as const) {
      if (this.text(one) !== undefined && this.text(other) === undefined) {
        this.refuse(one, `is there without ${other}; a client certificate needs both`)
      }
    }
    const [ca, cert, key] = [this.file(names.ca), this.file(names.cert), this.file(names.key)]
    if (ca !== undefined) this.#parse(names.ca, { ca })
    if (cert !== undefined && key !== undefined) this.#parse(`${names.cert} and ${names.key}`, { cert, key })
    return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  }

  #parse(name: string, material: TlsMaterial): void {
    // OpenSSL passes over a CA file without any certificate.
    if (material.ca !== undefined && !material.ca.includes('-----BEGIN CERTIFICATE-----')) {
      this.refuse(name, 'has no certificate in PEM')
      return
    }
    try {
      createSecureContext(material)
    } catch (error) {
      this.refuse(name, `cannot be used (${(error as NodeJS.ErrnoException).code ?? 'not PEM'})`)
    }
  }
}

const kafkaFiles = { ca: 'KAFKA_SSL_CA_FILE', cert: 'KAFKA_SSL_CERT_FILE', key: 'KAFKA_SSL_KEY_FILE' }

/** Named as Kafka's own `security.protocol` and `sasl.mechanism`. */
function readKafka(reader: Reader): KafkaSecurity {
  const protocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const
  const protocol = reader.choice('KAFKA_SECURITY_PROTOCOL', protocols) ?? 'PLAINTEXT'
  const mechanism = reader.choice('KAFKA_SASL_MECHANISM', saslMechanisms)
  const credentials = reader.credentials('KAFKA_SASL')
  const tls = reader.tls(kafkaFiles)

  const wantsTls = protocol.endsWith('SSL')
  const wantsSasl = protocol.startsWith('SASL')
  const present = (names: readonly string[]) => names.filter((name) => reader.text(name) !== undefined)
  if (!wantsTls) {
    for (const name of present(Object.values(kafkaFiles))) {
      reader.refuse(name, `is there, but KAFKA_SECURITY_PROTOCOL is ${protocol}; SSL or SASL_SSL uses it`)
    }
  }
  if (!wantsSasl) {
    for (const name of present(['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME'])) {
      reader.refuse(name, `is there, but KAFKA_SECURITY_PROTOCOL is ${protocol}; SASL_SSL uses it`)
    }
  } else {
    for (const name of ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME']) {
      if (reader.text(name) === undefined)
        reader.refuse(name, `is missing; KAFKA_SECURITY_PROTOCOL is ${protocol}`)
    }
  }
  if (protocol === 'SASL_PLAINTEXT' && mechanism === 'plain') {
    reader.refuse('KAFKA_SASL_MECHANISM', 'plain would send the password readable; it needs SASL_SSL')
  }
  return {
    ...(wantsTls && { tls }),
    ...(wantsSasl && mechanism && credentials && { sasl: { mechanism, ...credentials } }),
  }
}

/** TLS is said in the URL, by the driver's own options: tls=true&tlsCAFile=... */
function readMongodb(reader: Reader): Credentials | undefined {
  const credentials = reader.credentials('MONGODB')
  const inUrl = /^mongodb(\+srv)?:\/\/[^/?]*@/.test(reader.text('MONGODB_URL') ?? '')
  if (credentials && inUrl) {
    reader.refuse('MONGODB_USERNAME', 'is there, and MONGODB_URL names a user as well')
    return undefined
  }
  return credentials
}

/** The exporters read these themselves, and go on without what they cannot read. */
function checkOtlp(reader: Reader): void {
  for (const signal of ['', 'TRACES_', 'METRICS_', 'LOGS_']) {
    const of = (end: string) => `OTEL_EXPORTER_OTLP_${signal}${end}`
    reader.tls({ ca: of('CERTIFICATE'), cert: of('CLIENT_CERTIFICATE'), key: of('CLIENT_KEY') })
  }
}
