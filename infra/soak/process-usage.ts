/** What a process uses, as the operating system sees it. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface ProcessUsage {
  /** Resident memory. */
  readonly rssBytes: number
  /** Processor time since it began, user and system. */
  readonly cpuSeconds: number
  /** Open file descriptors, sockets among them; undefined where only Linux would say. */
  readonly openFiles: number | undefined
}

/** @returns undefined when there is no such process */
export function readProcessUsage(pid: number): Promise<ProcessUsage | undefined> {
  return (process.platform === 'linux' ? fromProc(pid) : fromPs(pid)).catch(() => undefined)
}

/** Of the kernel's clock that process times count in; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

async function fromProc(pid: number): Promise<ProcessUsage> {
  const [status, stat, files] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ])
  const [, rssKibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
  if (rssKibibytes === undefined) throw new Error(`process ${pid} has ended`) // a zombie has no memory
  // After the command, which may have anything in it: state is field 3, utime and stime are 14 and 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    rssBytes: Number(rssKibibytes) * 1_024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    openFiles: files.length,
  }
}

async function fromPs(pid: number): Promise<ProcessUsage> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=,time=', '-p', String(pid)])
  const [rssKibibytes = '', time = ''] = stdout.trim().split(/\s+/)
  if (rssKibibytes === '') throw new Error(`process ${pid} has ended`)
  return { rssBytes: Number(rssKibibytes) * 1_024, cpuSeconds: secondsOf(time), openFiles: undefined }
}

/** `[[days-]hours:]minutes:seconds`, as ps(1) writes time. */
export function secondsOf(time: string): number {
  const [clock = '', days = '0'] = time.split('-').reverse()
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  return Number(days) * 86_400 + seconds
}
