import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { InternalPorts, Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { answersBytes } from './probe.ts'
import type { ServerCertificate } from './server-certificate.ts'

const run = promisify(execFile)

export interface KafkaOptions {
  installation: string
  javaHome: string
  ports: Ports & InternalPorts
  run: RunDirectory
  /** Besides the one on the stack's Kafka port. */
  listeners?: readonly KafkaListener[]
  /** Without it the port takes everybody, in plain text. */
  access?: KafkaAccess
  /** Added to server.properties as they are. */
  properties?: Readonly<Record<string, string>>
}

/** Only with TLS and as a known user, who may do what an ACL allows and nothing else. */
export interface KafkaAccess {
  certificate: ServerCertificate
  /** Passwords by name; each for SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN. */
  users: Readonly<Record<string, string>>
  /** One of them, who may do everything; the broker is this user towards itself. */
  superUser: string
}

/** Another way into the broker, on 127.0.0.1: https://kafka.apache.org/documentation/#listener_configuration */
export interface KafkaListener {
  /** In capitals; neither PLAINTEXT, SECURED nor CONTROLLER, which are taken. */
  name: string
  protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  port: number
  /** Where clients are sent, for instance a proxy's port; the listener's own unless told otherwise. */
  advertisedPort?: number
}

/** Apache Kafka: one node, broker and KRaft controller in one process. */
export function kafka(options: KafkaOptions): ServerDefinition {
  const { installation, javaHome, ports, run: runDirectory } = options
  const folder = runDirectory.folder('kafka')
  const java = join(javaHome, 'bin', 'java')
  const classPath = join(installation, 'lib', '*')
  const properties = join(folder, 'server.properties')

  return {
    name: 'kafka',
    async prepare() {
      const { access } = options
      const lines = serverProperties(options, join(folder, 'data')) + accessProperties(access, folder)
      await writeFile(properties, lines, { mode: ownerOnly })
      if (access) await writeKeyStore(access, folder)
      // Any cluster id will do, since no other node ever joins; it has to be 16 bytes in base64.
      const format = ['format', '--config', properties, '--cluster-id', 'c2FnYXNjb3BlLWxvY2FsLQ']
      // With passwords among them the arguments go by a file: anybody may look at those of a process.
      const argumentFile = join(folder, 'format.args')
      const tool = ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.tools.StorageTool']
      const quoted = [...tool, ...format, ...usersOf(access)].map((each) => JSON.stringify(each))
      await writeFile(argumentFile, quoted.join('\n'), { mode: ownerOnly })
      await run(java, [`@${argumentFile}`])
    },
    command: () => ({
      command: java,
      args: [
        '-Xms512m',
        '-Xmx512m',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-cp',
        classPath,
        'kafka.Kafka',
        properties,
      ],
      directory: folder,
      logFile: runDirectory.logFile('kafka'),
    }),
    // The broker accepts connections early and answers only once it is part of the cluster.
    isHealthy: () => answersBytes(ports.kafka, apiVersionsRequest(), { tls: options.access !== undefined }),
  }
}

const ownerOnly = 0o600
const keyStore = 'key-and-certificate.pem'

function serverProperties(options: KafkaOptions, data: string): string {
  const { ports, listeners = [], properties = {}, access } = options
  const main = access
    ? ({ name: 'SECURED', protocol: 'SASL_SSL' } as const)
    : ({ name: 'PLAINTEXT', protocol: 'PLAINTEXT' } as const)
  const all: KafkaListener[] = [{ ...main, port: ports.kafka }, ...listeners]
  const address = (name: string, port: number) => `${name}://127.0.0.1:${port}`
  const opened = all.map(({ name, port }) => address(name, port)).join(',')
  const advertised = all
    .map(({ name, port, advertisedPort }) => address(name, advertisedPort ?? port))
    .join(',')
  const protocols = all.map(({ name, protocol }) => `${name}:${protocol}`).join(',')
  const added = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${ports.kafkaController}
controller.listener.names=CONTROLLER
listeners=${opened},CONTROLLER://127.0.0.1:${ports.kafkaController}
advertised.listeners=${advertised}
listener.security.protocol.map=${protocols},CONTROLLER:${access ? 'SSL' : 'PLAINTEXT'}
inter.broker.listener.name=${main.name}
log.dirs=${data}

# A missing topic is a mistake in the contracts and must not be papered over.
auto.create.topics.enable=false

# One node, so one copy; and few partitions, so that coordinators load quickly.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# By default a commit of offsets lingers for 5 ms and a new group for 3 s, to gather more of the same.
group.coordinator.append.linger.ms=0
group.initial.rebalance.delay.ms=0
${added.join('')}`
}

const scramMechanisms = ['SCRAM-SHA-512', 'SCRAM-SHA-256']

/** https://kafka.apache.org/documentation/#security */
function accessProperties(access: KafkaAccess | undefined, folder: string): string {
  if (!access) return ''
  const { certificate, users, superUser } = access
  const passwords = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`)
  const login = (module: string, options: string) =>
    `org.apache.kafka.common.security.${module} required ${options};`
  const ours = `username="${superUser}" password="${users[superUser] ?? ''}"`
  return `
sasl.enabled.mechanisms=${[...scramMechanisms, 'PLAIN'].join(',')}
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=${login('scram.ScramLoginModule', ours)}
listener.name.secured.scram-sha-256.sasl.jaas.config=${login('scram.ScramLoginModule', ours)}
listener.name.secured.plain.sasl.jaas.config=${login('plain.PlainLoginModule', passwords.join(' '))}

ssl.keystore.type=PEM
ssl.keystore.location=${join(folder, keyStore)}
ssl.truststore.type=PEM
ssl.truststore.location=${certificate.caFile}

# Broker and controller know each other by certificate: users are kept where only a running controller reads them.
listener.name.controller.ssl.client.auth=required
listener.name.controller.ssl.principal.mapping.rules=RULE:^.*$/${superUser}/

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:${superUser}
`
}

async function writeKeyStore({ certificate }: KafkaAccess, folder: string): Promise<void> {
  const files = [certificate.keyFile, certificate.certificateFile]
  const content = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  await writeFile(join(folder, keyStore), content, { mode: ownerOnly })
}

/** Made while the storage is formatted: the broker itself is one of them, and cannot start without. */
const usersOf = (access: KafkaAccess | undefined): string[] =>
  Object.entries(access?.users ?? {}).flatMap(([name, password]) =>
    scramMechanisms.flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  )

/** ApiVersions v0, the one request that every version of Kafka answers: https://kafka.apache.org/protocol */
function apiVersionsRequest(): Buffer {
  const request = Buffer.alloc(14)
  request.writeInt32BE(10, 0) // bytes that follow
  request.writeInt16BE(18, 4) // ApiVersions
  request.writeInt16BE(0, 6) // version
  request.writeInt32BE(1, 8) // correlation id
  request.writeInt16BE(-1, 12) // no client id
  return request
}
