/**
 * Asks who knows of holes in what Sagascope is made of: npm's registry for npm's packages and their signatures, OSV
 * (https://osv.dev) for all of the SBOM. Who could not be asked is said, and is not taken for a yes.
 *
 *   node infra/security/audit.ts        exit code 0: all asked, nothing known; 1: something is; 3: not all could be asked
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { createSbom } from './sbom.ts'

export interface Verdict {
  readonly asked: string
  /** `nothing known`, what is known, or why nobody said anything. */
  readonly outcome: 'clean' | 'findings' | 'could not ask'
  readonly lines: readonly string[]
}

export const exitCodes = { clean: 0, findings: 1, 'could not ask': 3 } as const

/** What is known outweighs what could not be asked. */
export function exitCodeOf(verdicts: readonly Verdict[]): number {
  const has = (outcome: Verdict['outcome']) => verdicts.some((verdict) => verdict.outcome === outcome)
  if (has('findings')) return exitCodes.findings
  return has('could not ask') ? exitCodes['could not ask'] : exitCodes.clean
}

const repository = join(import.meta.dirname, '..', '..')
const deadlineMillis = 60_000

const couldNotAsk = (asked: string, why: string): Verdict => ({
  asked,
  outcome: 'could not ask',
  lines: [why.trim().split('\n')[0] ?? ''],
})

const verdictOf = (asked: string, lines: readonly string[]): Verdict => ({
  asked,
  outcome: lines.length === 0 ? 'clean' : 'findings',
  lines,
})

interface NpmAnswer {
  /** `npm audit` */
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string; readonly range: string }>>
  /** `npm audit signatures` */
  readonly invalid?: readonly { readonly name: string; readonly version: string }[]
  readonly missing?: readonly { readonly name: string; readonly version: string }[]
  /** Both, when they could not ask. */
  readonly message?: string
}

/** What npm's answer says, whatever its exit code; the same one stands for findings and for failures. */
export function readNpmAnswer(asked: string, text: string): Verdict {
  let answer: NpmAnswer
  try {
    answer = JSON.parse(text) as NpmAnswer
  } catch {
    return couldNotAsk(asked, text === '' ? `no answer within ${deadlineMillis / 1_000} s` : text)
  }
  const { vulnerabilities, invalid, missing, message } = answer
  if (vulnerabilities) {
    const found = Object.entries(vulnerabilities)
    return verdictOf(
      asked,
      found.map(([name, { severity, range }]) => `${name} ${range}: ${severity}`),
    )
  }
  if (invalid && missing) {
    return verdictOf(asked, [
      ...invalid.map(({ name, version }) => `${name} ${version}: its signature is not its registry's`),
      ...missing.map(({ name, version }) => `${name} ${version}: has no signature`),
    ])
  }
  return couldNotAsk(asked, message ?? 'an answer that says neither')
}

const askNpm = (args: readonly string[]): Promise<Verdict> =>
  new Promise((resolve) => {
    const options = { cwd: repository, timeout: deadlineMillis, maxBuffer: 64 * 1024 * 1024 }
    execFile('npm', [...args, '--json'], options, (_error, stdout) => {
      resolve(readNpmAnswer(`npm ${args.join(' ')}`, stdout.trim()))
    })
  })

interface OsvAnswer {
  readonly results: readonly { readonly vulns?: readonly { readonly id: string }[] }[]
}

/** https://google.github.io/osv.dev/post-v1-querybatch/, which takes a thousand at once. */
export async function askOsv(purls: readonly string[], url = 'https://api.osv.dev'): Promise<Verdict> {
  const asked = 'OSV'
  const lines: string[] = []
  for (let start = 0; start < purls.length; start += 1_000) {
    const some = purls.slice(start, start + 1_000)
    try {
      const response = await fetch(new URL('/v1/querybatch', url), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ queries: some.map((purl) => ({ package: { purl } })) }),
        signal: AbortSignal.timeout(deadlineMillis),
      })
      if (!response.ok) return couldNotAsk(asked, `it answered ${response.status}`)
      const { results } = (await response.json()) as OsvAnswer
      if (results.length !== some.length) return couldNotAsk(asked, 'it answered for other packages')
      for (const [index, { vulns = [] }] of results.entries()) {
        if (vulns.length > 0) lines.push(`${some[index] ?? ''}: ${vulns.map(({ id }) => id).join(', ')}`)
      }
    } catch (error) {
      const { message, cause } = error as Error
      return couldNotAsk(asked, cause instanceof Error ? `${message}: ${cause.message}` : message)
    }
  }
  return verdictOf(asked, lines)
}

async function main(): Promise<number> {
  const { components } = await createSbom()
  const purls = components.map(({ purl }) => purl).filter((purl) => !purl.startsWith('pkg:generic/'))
  const verdicts = await Promise.all([askNpm(['audit']), askNpm(['audit', 'signatures']), askOsv(purls)])
  for (const { asked, outcome, lines } of verdicts) {
    console.log([`${asked}: ${outcome}`, ...lines.map((line) => `  ${line}`)].join('\n'))
  }
  return exitCodeOf(verdicts)
}

if (import.meta.main) process.exitCode = await main()
