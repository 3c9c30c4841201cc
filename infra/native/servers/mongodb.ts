import { join } from 'node:path'
import { BSON } from 'mongodb'
import type { Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { garbageCollection } from './garbage-collection.ts'
import { answersBytes } from './probe.ts'
import type { ServerCertificate } from './server-certificate.ts'

export interface MongodbOptions {
  /** The folder of the MongoDB-protocol server that was built; used where there is no mongod. */
  installation: string
  /** A mongod of this machine. */
  mongod: string | undefined
  ports: Ports
  run: RunDirectory
  /** Without it the port takes everybody, in plain text. */
  access?: MongodbAccess
}

/** Only with TLS, and as this user; for the server that was built, not for a mongod. */
export interface MongodbAccess {
  certificate: ServerCertificate
  username: string
  passwordFile: string
}

/** A server that speaks MongoDB's wire protocol. */
export function mongodb({ installation, mongod, ports, run, access }: MongodbOptions): ServerDefinition {
  const folder = run.folder('mongodb')
  const data = run.folder('mongodb/data')
  const address = `127.0.0.1:${ports.mongodb}`
  const [command, args] =
    mongod === undefined
      ? [join(installation, 'mongodb'), [address, data]]
      : [mongod, ['--bind_ip', '127.0.0.1', '--port', String(ports.mongodb), '--dbpath', data, '--quiet']]

  return {
    name: 'mongodb',
    command: () => ({
      command,
      args,
      directory: folder,
      environment: { ...process.env, ...garbageCollection, ...(access && environmentOf(access)) },
      logFile: run.logFile('mongodb'),
    }),
    isHealthy: () => answersBytes(ports.mongodb, ping(), { tls: access !== undefined }),
  }
}

const environmentOf = ({ certificate, username, passwordFile }: MongodbAccess) => ({
  MONGODB_TLS_CERT_FILE: certificate.certificateFile,
  MONGODB_TLS_KEY_FILE: certificate.keyFile,
  MONGODB_USERNAME: username,
  MONGODB_PASSWORD_FILE: passwordFile,
})

/** A `ping` in an OP_MSG: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
function ping(): Buffer {
  const body = BSON.serialize({ ping: 1, $db: 'admin' })
  const head = Buffer.alloc(21) // the rest of it is zero: request ids, flags, and section kind 0, "body"
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(2013, 12) // OP_MSG
  return Buffer.concat([head, body])
}
