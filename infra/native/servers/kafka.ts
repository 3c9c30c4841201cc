import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { InternalPorts, Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { answersBytes } from './probe.ts'

const run = promisify(execFile)

export interface KafkaOptions {
  installation: string
  javaHome: string
  ports: Ports & InternalPorts
  run: RunDirectory
  /** Besides the plain one on the stack's Kafka port. */
  listeners?: readonly KafkaListener[]
  /** Added to server.properties as they are. */
  properties?: Readonly<Record<string, string>>
}

/** Another way into the broker, on 127.0.0.1: https://kafka.apache.org/documentation/#listener_configuration */
export interface KafkaListener {
  /** In capitals; neither PLAINTEXT nor CONTROLLER, which are taken. */
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
      await writeFile(properties, serverProperties(options, join(folder, 'data')))
      // Any cluster id will do, since no other node ever joins; it has to be 16 bytes in base64.
      const format = ['format', '--config', properties, '--cluster-id', 'c2FnYXNjb3BlLWxvY2FsLQ']
      await run(java, ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.tools.StorageTool', ...format])
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
    isHealthy: () => answersBytes(ports.kafka, apiVersionsRequest()),
  }
}

function serverProperties({ ports, listeners = [], properties = {} }: KafkaOptions, data: string): string {
  const all: KafkaListener[] = [{ name: 'PLAINTEXT', protocol: 'PLAINTEXT', port: ports.kafka }, ...listeners]
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
listener.security.protocol.map=${protocols},CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
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
