import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Says who listens on a TCP port, for an error message: `pid 4711 (java -Xmx512m ...)`, or as much of it
 * as this user may see. Never throws.
 */
export async function portHolder(port: number): Promise<string> {
  try {
    return process.platform === 'linux' ? await fromProc(port) : await fromLsof(port)
  } catch {
    return 'a process that cannot be seen from here'
  }
}

const listenState = '0A'

async function fromProc(port: number): Promise<string> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  // Columns (proc(5)): sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const listener = tables
    .flatMap((table) => table.split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns[1]?.endsWith(`:${hexPort}`) && columns[3] === listenState)
  const [uid, , inode] = listener?.slice(7) ?? []
  if (uid === undefined || inode === undefined) return 'a process outside this network namespace'

  const pid = await ownerOfSocket(inode)
  return pid === undefined ? `a process of another user (uid ${uid})` : `pid ${pid} (${await commandOf(pid)})`
}

async function ownerOfSocket(inode: string): Promise<string | undefined> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
      if (target === `socket:[${inode}]`) return pid
    }
  }
  return undefined
}

async function commandOf(pid: string): Promise<string> {
  const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return shortened(raw)
}

async function fromLsof(port: number): Promise<string> {
  const { stdout } = await run('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fp'])
  const pid = /^p(\d+)$/m.exec(stdout)?.[1]
  if (pid === undefined) return 'a process of another user'
  const command = await run('ps', ['-o', 'command=', '-p', pid])
  return `pid ${pid} (${shortened(command.stdout)})`
}

const longestCommand = 120

function shortened(command: string): string {
  const line = command
    .split(/[\0\s]+/)
    .join(' ')
    .trim()
  return line.length > longestCommand ? `${line.slice(0, longestCommand)}...` : line
}
