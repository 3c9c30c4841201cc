import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { readConfig } from '../../shared/process/config.ts'
import { connectStore } from '../../shared/kernel/mongo.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { openStack, type Stack } from '../native/open-stack.ts'
import { pickFreePorts, pickInternalPorts } from '../native/ports.ts'
import { installationFolder } from '../native/install.ts'
import { cacheDirectory } from '../native/cache-directory.ts'
import { recipes } from '../native/recipes.ts'
import { createServer } from '../native/server.ts'
import { collector } from '../native/servers/collector.ts'
import { prepareServices, serviceNames, type ServiceName } from '../native/services.ts'
import { placeCheckout, sampleCheckout, untilEnded } from '../verify/checkouts.ts'
import { eventually } from '../verify/eventually.ts'
import { fetchTrace } from '../../shared/backends/jaeger.ts'
import { query } from '../../shared/backends/prometheus.ts'
import { createAuthority, type Authority } from './certificates-for-tests.ts'
import { openElasticsearchGate, type ElasticsearchGate } from './elasticsearch-gate.ts'
import { grants } from './kafka-acls.ts'
import { watchArguments } from './secrets-in-arguments.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

/**
 * One stack on which nothing is open: Kafka with SASL_SSL and ACLs, the store with TLS and a user, OTLP with
 * certificates on both sides, Elasticsearch behind HTTPS and a user.
 */
describe('the transport, all of it secured', function () {
  this.timeout(20 * 60_000) // the first time, the servers are built

  const folder = mkdtempSync(join(tmpdir(), 'sagascope-security-'))
  const secrets = new Map<string, string>()
  const secretOf = (name: string): string => secrets.get(name) ?? ''
  /** A new secret, in a file of its own. */
  const secretFile = (name: string): string => {
    const file = join(folder, `${name}.secret`)
    secrets.set(name, randomBytes(16).toString('hex'))
    writeFileSync(file, secretOf(name), { mode: 0o600 })
    return file
  }
  const users = ['broker', ...serviceNames, 'dead-letters']
  const passwordFiles = new Map(users.map((name) => [name, secretFile(name)]))
  const storePasswordFile = secretFile('store')
  const elasticsearchPasswordFile = secretFile('elasticsearch')

  let ours: Authority
  let strangers: Authority
  let gate: ElasticsearchGate
  let stack: Stack
  let gatewayUrl: string
  let services: Map<ServiceName, Awaited<ReturnType<typeof prepareServices>>>
  let slowRefusals: Promise<[string, string]>
  let secretsInArguments: () => readonly string[]

  const kafkaEnvironment = (user: string): NodeJS.ProcessEnv => ({
    KAFKA_BROKERS: stack.urls.kafkaBrokers,
    KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
    KAFKA_SSL_CA_FILE: ours.caFile,
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_SASL_USERNAME: user,
    KAFKA_SASL_PASSWORD_FILE: passwordFiles.get(user),
  })
  const storeUrl = (tls = `&tls=true&tlsCAFile=${ours.caFile}`): string => stack.urls.mongodbUrl + tls
  const storeEnvironment = (): NodeJS.ProcessEnv => ({
    MONGODB_URL: storeUrl(),
    MONGODB_USERNAME: 'sagascope',
    MONGODB_PASSWORD_FILE: storePasswordFile,
  })
  const otlpEnvironment = (): NodeJS.ProcessEnv => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: `https://127.0.0.1:${stack.ports.otlpHttp}`,
    OTEL_EXPORTER_OTLP_CERTIFICATE: ours.caFile,
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: ours.certificate('client').certificateFile,
    OTEL_EXPORTER_OTLP_CLIENT_KEY: ours.certificate('client').keyFile,
  })
  const elasticsearchEnvironment = (): Record<string, string> => ({
    ELASTICSEARCH_USERNAME: 'collector',
    ELASTICSEARCH_PASSWORD_FILE: elasticsearchPasswordFile,
    ELASTICSEARCH_CA_FILE: ours.caFile,
  })

  /** What becomes of who connects to the store like this. */
  const refusalOfStore = (url: string, user: string, file: string): Promise<string> => {
    const { MONGODB_URL, mongodbCredentials } = readConfig({
      MONGODB_URL: url,
      MONGODB_USERNAME: user,
      MONGODB_PASSWORD_FILE: file,
    })
    return connectStore({
      mongodbUrl: MONGODB_URL,
      credentials: mongodbCredentials,
      databasePrefix: 'refused',
    }).then(
      async (connection) => {
        await connection.close()
        return 'it was not refused'
      },
      (error: unknown) => String(error),
    )
  }

  /** A connection as a service would make it from its environment. */
  const connectKafka = (environment: NodeJS.ProcessEnv) => {
    const { KAFKA_BROKERS: brokers, kafkaSecurity: security } = readConfig(environment)
    const { log, lines } = createRecordingLogger()
    return { kafka: new KafkaConnection({ brokers, clientId: 'tests', security }, log), lines }
  }

  before(async () => {
    ours = await createAuthority(join(folder, 'ours'), ['server', 'client'])
    strangers = await createAuthority(join(folder, 'strangers'))
    const certificate = ours.certificate('server')
    const ports = await pickFreePorts()
    gate = await openElasticsearchGate({
      certificate,
      username: 'collector',
      password: secretOf('elasticsearch'),
      port: ports.elasticsearch,
    })
    // The last of them is among Kafka's arguments: it shows that the watch sees anything.
    secretsInArguments = watchArguments([...secrets.values(), 'server.properties'])
    stack = await openStack({
      ports,
      kafka: {
        access: {
          certificate,
          users: Object.fromEntries(users.map((name) => [name, secretOf(name)])),
          superUser: 'broker',
        },
      },
      mongodb: { access: { certificate, username: 'sagascope', passwordFile: storePasswordFile } },
      collector: {
        overlays: ['security/otlp-tls.yaml', 'security/elasticsearch-credentials.yaml'],
        environment: {
          OTLP_TLS_CERT_FILE: certificate.certificateFile,
          OTLP_TLS_KEY_FILE: certificate.keyFile,
          OTLP_CLIENT_CA_FILE: ours.caFile,
          ELASTICSEARCH_ENDPOINT: gate.url,
          ...elasticsearchEnvironment(),
        },
      },
    })
    await Promise.race([stack.allReady, stack.failed.then((error) => Promise.reject(error))])
    await setUpKafka()
    // The driver looks for a better server for ten seconds; the other tests need not wait for that.
    slowRefusals = Promise.all([
      refusalOfStore(storeUrl(''), 'sagascope', storePasswordFile),
      refusalOfStore(storeUrl(`&tls=true&tlsCAFile=${strangers.caFile}`), 'sagascope', storePasswordFile),
    ])

    services = new Map(
      await Promise.all(
        serviceNames.map(async (name) => {
          const environment = { ...kafkaEnvironment(name), ...storeEnvironment(), ...otlpEnvironment() }
          return [name, await prepareServices(stack, environment)] as const
        }),
      ),
    )
    await Promise.all([...services].map(([name, prepared]) => prepared.up(name)))
    gatewayUrl = services.get('gateway')?.gatewayUrl ?? ''
  })

  after(async () => {
    await Promise.all(
      [...((services as typeof services | undefined) ?? [])].map(([, prepared]) => prepared.down()),
    )
    await (stack as Stack | undefined)?.down()
    await (gate as ElasticsearchGate | undefined)?.close()
    rmSync(folder, { recursive: true })
  })

  /** What an administrator does: the topics, and what infra/security/kafka-acls.ts prints. */
  async function setUpKafka(): Promise<void> {
    const { kafka } = connectKafka(kafkaEnvironment('broker'))
    await kafka.ensureTopics(6)
    const admin = kafka.client.admin()
    await admin.connect()
    const acl = [
      ...grants.flatMap(({ user, operation, topics, group }) => [
        ...topics.map((topic) => ({ user, operation, type: AclResourceTypes.TOPIC, name: topic })),
        ...(group === undefined ? [] : [{ user, operation, type: AclResourceTypes.GROUP, name: group }]),
      ]),
    ].map(({ user, operation, type, name }) => ({
      principal: `User:${user}`,
      host: '*',
      operation: AclOperationTypes[operation.toUpperCase() as 'READ'],
      permissionType: AclPermissionTypes.ALLOW,
      resourceType: type,
      resourceName: name.replace(/\*$/, ''),
      resourcePatternType: name.endsWith('*') ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
    }))
    ok(await admin.createAcls({ acl }))
    await admin.disconnect()
  }

  const email = () => `${randomUUID()}@example.com`
  const place = async (changes: { token?: string } = {}) => {
    const { checkoutId } = await placeCheckout(gatewayUrl, sampleCheckout({ email: email(), ...changes }))
    return untilEnded(gatewayUrl, checkoutId)
  }

  interface Run {
    readonly exitCode: number
    readonly stdout: string
    readonly stderr: string
  }

  const runTool = (program: string, args: readonly string[], environment: NodeJS.ProcessEnv): Promise<Run> =>
    new Promise((resolve) => {
      const path = join(import.meta.dirname, '..', '..', program)
      const env = { ...process.env, NO_COLOR: '1', ...environment }
      execFile(process.execPath, [path, ...args], { env }, (error, stdout, stderr) => {
        resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr })
      })
    })

  it('carries a checkout to its end, each service with its own user and no right too many', async () => {
    equal((await place()).status, 'completed')
    equal((await place({ token: 'tok_declined' })).status, 'compensated')
  })

  it('carries spans, metrics and log lines of all services to where people look', async () => {
    const { checkoutId, traceId } = await place()
    const environment = {
      GATEWAY_URL: gatewayUrl,
      JAEGER_URL: stack.urls.jaegerUrl,
      PROMETHEUS_URL: stack.urls.prometheusUrl,
      ELASTICSEARCH_URL: gate.url,
      ...elasticsearchEnvironment(),
      NODE_EXTRA_CA_CERTS: ours.caFile,
    }
    const follow = (changes: NodeJS.ProcessEnv = {}) =>
      runTool('infra/verify/follow.ts', [checkoutId], { ...environment, ...changes })
    await eventually(
      `spans and log lines of ${traceId}`,
      async () => {
        const { exitCode, stdout } = await follow()
        const has = (source: string, name: string) => new RegExp(` ${source} +${name} `).test(stdout)
        return (
          (exitCode === 0 && serviceNames.every((name) => has('span', name) && has('log', name))) || undefined
        )
      },
      { intervalMillis: 500 },
    )
    const { exitCode, stderr } = await follow({ ELASTICSEARCH_USERNAME: '', ELASTICSEARCH_PASSWORD_FILE: '' })
    deepEqual([exitCode, stderr.includes('Elasticsearch answered 401')], [3, true], stderr)
    await eventually('the counter of completed checkouts', async () => {
      const counted = await query(stack.urls.prometheusUrl, 'checkout_processed_total{outcome="completed"}')
      return counted.length > 0 || undefined
    })
  })

  it('takes a dead letter from a service and shows it to the user of the tool', async () => {
    const { kafka } = connectKafka(kafkaEnvironment('gateway'))
    const producer = await kafka.connectProducer()
    await producer.send([{ topic: 'checkouts', key: 'nobody', value: 'not JSON', headers: {} }])
    await producer.disconnect()
    await eventually('the dead letter', async () => {
      const { exitCode, stdout } = await runTool(
        'producers/dead-letters/dead-letters.ts',
        ['list'],
        kafkaEnvironment('dead-letters'),
      )
      return (exitCode === 0 && /checkouts/.test(stdout)) || undefined
    })
  })

  describe('of Kafka', () => {
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
      it(`lets a user in by ${mechanism}, to produce and to consume`, async () => {
        const { kafka } = connectKafka({ ...kafkaEnvironment('users'), KAFKA_SASL_MECHANISM: mechanism })
        const producer = await kafka.connectProducer()
        await producer.send([{ topic: 'users', key: mechanism, value: 'x', headers: {} }])
        await producer.disconnect()
        const { kafka: reader } = connectKafka({
          ...kafkaEnvironment('orders'),
          KAFKA_SASL_MECHANISM: mechanism,
        })
        await (await reader.connectProducer()).disconnect()
      })
    }

    it('refuses a wrong password, and says so at once', async () => {
      const wrong = secretFile('wrong')
      const { kafka, lines } = connectKafka({ ...kafkaEnvironment('users'), KAFKA_SASL_PASSWORD_FILE: wrong })
      await rejects(kafka.connectProducer(), /SCRAM.SHA.?512 authentication failed|invalid credentials/i)
      ok(!JSON.stringify(lines).includes(secretOf('wrong')))
    })

    const refusals: readonly {
      readonly title: string
      readonly change: () => NodeJS.ProcessEnv
      readonly cause: RegExp
    }[] = [
      {
        title: 'is refused by a client that does not know its authority, and says so',
        change: () => ({ KAFKA_SSL_CA_FILE: strangers.caFile }),
        cause: /unable to verify the first certificate|self-signed certificate/,
      },
      {
        title: 'refuses a client without TLS',
        change: () => ({
          KAFKA_SECURITY_PROTOCOL: 'PLAINTEXT',
          ...Object.fromEntries(
            ['SSL_CA_FILE', 'SASL_MECHANISM', 'SASL_USERNAME', 'SASL_PASSWORD_FILE'].map((end) => [
              `KAFKA_${end}`,
              '',
            ]),
          ),
        }),
        cause: /Closed connection|socket hang up|Connection error|Broker not connected/i,
      },
    ]
    for (const { title, change, cause } of refusals) {
      it(title, async () => {
        const { kafka, lines } = connectKafka({ ...kafkaEnvironment('users'), ...change() })
        let connected = false
        // It tries on for a while, as it should: a certificate may be on its way to the broker.
        const trying = kafka.connectProducer().then(
          async ({ disconnect }) => {
            connected = true
            await disconnect()
          },
          () => undefined,
        )
        await eventually(`a log line like ${String(cause)}`, () =>
          Promise.resolve(lines.find((line) => cause.test(JSON.stringify(line)))),
        )
        equal(connected, false)
        void trying
      })
    }

    it('refuses what no ACL allows', async () => {
      const { kafka } = connectKafka(kafkaEnvironment('orders'))
      const producer = await kafka.connectProducer()
      await rejects(
        producer.send([{ topic: 'payments', key: 'x', value: 'x', headers: {} }]),
        /[Nn]ot authorized/,
      )
      await producer.disconnect()
      const admin = kafka.client.admin()
      await admin.connect()
      await rejects(
        admin.fetchOffsets({ groupId: 'sagascope-payments', topics: ['orders'] }),
        /group coordinator|[Nn]ot authorized/,
      )
      await rejects(admin.createTopics({ topics: [{ topic: 'more' }] }))
      await admin.disconnect()
    })
  })

  describe('of the store', () => {
    it('refuses a wrong password and an unknown user, and says so', async () => {
      match(await refusalOfStore(storeUrl(), 'sagascope', elasticsearchPasswordFile), /Authentication failed/)
      match(await refusalOfStore(storeUrl(), 'nobody', storePasswordFile), /Authentication failed/)
    })

    it('refuses who is nobody', async () => {
      const connection = await connectStore({ mongodbUrl: storeUrl(), databasePrefix: 'refused' })
      await rejects(connection.databaseOf('users').collection('commits').findOne(), /requires authentication/)
      await connection.close()
    })

    it('refuses a client without TLS, and is refused by one that does not know its authority', async () => {
      const [plain, unknown] = await slowRefusals
      match(plain, /MongoServerSelectionError: .*closed/)
      match(unknown, /MongoServerSelectionError: .*(self-signed|verify).* certificate/)
    })
  })

  describe('of telemetry', () => {
    const askCollector = (tls: { ca?: Buffer; cert?: Buffer; key?: Buffer }): Promise<number | string> =>
      new Promise((resolve) => {
        const headers = { 'content-type': 'application/json' }
        const url = `https://127.0.0.1:${stack.ports.otlpHttp}/v1/logs`
        const asked = request(url, { ...tls, method: 'POST', headers, agent: false }, (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        })
        asked.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
        asked.end('{}')
      })

    it('is taken with a certificate of our authority only', async () => {
      const { certificateFile, keyFile } = ours.certificate('client')
      const ca = readFileSync(ours.caFile)
      const own = { ca, cert: readFileSync(certificateFile), key: readFileSync(keyFile) }
      equal(await askCollector(own), 200)
      match(String(await askCollector({ ca })), /CERTIFICATE_REQUIRED|ECONNRESET|BAD_CERTIFICATE/)
      match(String(await askCollector({ ...own, ca: readFileSync(strangers.caFile) })), /VERIFY|SELF_SIGNED/)
    })

    it('is no condition for a checkout: a service that trusts another authority works on without', async () => {
      const environment = { ...kafkaEnvironment('orders'), ...storeEnvironment(), ...otlpEnvironment() }
      await services.get('orders')?.server('orders').down()
      const blind = await prepareServices(stack, {
        ...environment,
        OTEL_EXPORTER_OTLP_CERTIFICATE: strangers.caFile,
      })
      await blind.up('orders')
      try {
        const { status, traceId } = await place()
        equal(status, 'completed')
        const seen = await eventually(`the trace ${traceId}`, async () => {
          const spans = (await fetchTrace(stack.urls.jaegerUrl, traceId)) ?? []
          const names = new Set(spans.map(({ service }) => service))
          return names.has('checkout') && names.has('payments') ? names : undefined
        })
        ok(!seen.has('orders'))
      } finally {
        await blind.down()
        await services.get('orders')?.up('orders')
      }
    })

    const wrong = [
      {
        title: 'a wrong password',
        change: () => ({ ELASTICSEARCH_PASSWORD_FILE: storePasswordFile }),
        seen: (log: string) => log.includes('flush failed (401)'),
      },
      {
        title: 'another authority',
        change: () => ({ ELASTICSEARCH_CA_FILE: strangers.caFile }),
        // The Collector says it at level debug, and louder when it gives up after a minute.
        seen: () => gate.brokenOff.some((code) => /ALERT_(BAD_CERTIFICATE|UNKNOWN_CA)/.test(code)),
      },
    ]
    for (const { title, change, seen } of wrong) {
      it(`does not get into Elasticsearch with ${title}`, async () => {
        const logFile = join(folder, `collector-${title.replaceAll(' ', '-')}.log`)
        const ports = { ...(await pickFreePorts()), ...(await pickInternalPorts()) }
        const server = createServer(
          collector({
            installation: await installationFolder(recipes.collector, cacheDirectory(process.env)),
            ports,
            run: { path: folder, folder: () => folder, logFile: () => logFile, remove: () => undefined },
            overlays: ['security/elasticsearch-credentials.yaml'],
            environment: {
              ELASTICSEARCH_ENDPOINT: gate.url,
              ...elasticsearchEnvironment(),
              ...change(),
            },
          }),
          () => undefined,
        )
        await server.up()
        try {
          const line = { timeUnixNano: `${Date.now()}000000`, body: { stringValue: 'to be refused' } }
          const body = { resourceLogs: [{ scopeLogs: [{ logRecords: [line] }] }] }
          const sent = await fetch(`http://127.0.0.1:${ports.otlpHttp}/v1/logs`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body),
          })
          equal(sent.status, 200)
          await eventually(`the end of the Collector with ${title}`, () =>
            Promise.resolve(seen(readFileSync(logFile, 'utf8')) || undefined),
          )
        } finally {
          await server.kill() // it would keep trying
        }
      })
    }
  })

  // After all the others, since it looks at what they left behind.
  describe('as a whole', () => {
    it('leaves no secret in any log or in any process’s arguments', () => {
      const logs = [stack.runDirectory, folder].flatMap((parent) =>
        readdirSync(parent)
          .filter((name) => name.endsWith('.log'))
          .map((name) => join(parent, name)),
      )
      ok(logs.length >= 13, 'six servers, five services, two Collectors')
      const found = logs.flatMap((file) => {
        const content = readFileSync(file, 'utf8')
        return [...secrets]
          .filter(([, secret]) => content.includes(secret))
          .map(([name]) => `${name} in ${file}`)
      })
      deepEqual(found, [])
      if (process.platform === 'linux') {
        deepEqual(secretsInArguments(), ['server.properties'])
      }
    })
  })
})
