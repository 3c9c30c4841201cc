import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installationFolder, type Recipe } from './install.ts'
import { goModuleFiles } from './recipes.ts'

const run = promisify(execFile)

/** A program that this project does not bring along. */
export interface Tool {
  name: string
  neededFor: string
  minimumVersion: string
  debian: string
  macos: string
  /** The version that is installed; undefined when there is none or it does not run. */
  installedVersion(): Promise<string | undefined>
}

const java: Tool = {
  name: 'Java',
  neededFor: 'running Kafka and Elasticsearch',
  minimumVersion: '17',
  debian: 'apt-get install openjdk-17-jdk-headless',
  macos: 'brew install openjdk@17, then put it on the PATH as brew says',
  installedVersion: async () => (await javaRuntime())?.version,
}

const maven: Tool = {
  name: 'Maven',
  neededFor: 'downloading Kafka and Elasticsearch',
  minimumVersion: '3.6',
  debian: 'apt-get install maven',
  macos: 'brew install maven',
  installedVersion: async () => /Apache Maven (\S+)/.exec(await outputOf('mvn', ['--version']))?.[1],
}

const go = (minimumVersion: string): Tool => ({
  name: 'Go',
  neededFor: 'building the Collector, Jaeger, Prometheus and the MongoDB-protocol server',
  minimumVersion,
  debian: `Go's own archive, since the golang package may be older (https://go.dev/doc/install)`,
  macos: 'brew install go',
  installedVersion: async () =>
    /go(\d[\w.]*)/.exec(await outputOf('go', ['version'], { GOTOOLCHAIN: 'local' }))?.[1],
})

/**
 * Checks that everything is there to install these recipes and run what they give. Maven and Go are wanted
 * only while something is left to install with them.
 * @throws {Error} naming every missing or too old tool, how to get it, and the way that needs none of them
 */
export async function requireTools(
  installations: readonly { recipe: Recipe; cache: string }[],
): Promise<void> {
  const missing = await Promise.all(
    installations.map(async ({ recipe, cache }) =>
      existsSync(await installationFolder(recipe, cache)) ? [] : [recipe.tool],
    ),
  )
  const tools = [
    java,
    ...(missing.flat().includes('maven') ? [maven] : []),
    ...(missing.flat().includes('go') ? [go(await goVersion())] : []),
  ]
  const complaint = await describeMissing(tools)
  if (complaint !== undefined) throw new Error(complaint)
}

/** One text that says what is missing and what to do about it, or undefined when nothing is. */
export async function describeMissing(tools: readonly Tool[]): Promise<string | undefined> {
  const complaints = await Promise.all(
    tools.map(async (tool) => {
      const version = await tool.installedVersion()
      if (version !== undefined && compareVersions(version, tool.minimumVersion) >= 0) return []
      const found = version === undefined ? 'not found' : `${version} is too old`
      return [
        `${tool.name} ${tool.minimumVersion} or later is needed for ${tool.neededFor}: ${found}.`,
        `    Debian, Ubuntu: ${tool.debian}`,
        `    macOS:          ${tool.macos}`,
      ]
    }),
  )
  const lines = complaints.flat()
  if (lines.length === 0) return undefined
  return [...lines, 'Or run everything in containers, which needs none of this: docker compose up'].join('\n')
}

/** Compares versions by their numbers: negative when `a` is older, 0 when equal, positive when newer. */
export function compareVersions(a: string, b: string): number {
  const numbers = (version: string) => version.split(/\D+/).map(Number)
  const [left, right] = [numbers(a), numbers(b)]
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

export interface JavaRuntime {
  version: string
  /** Its JAVA_HOME. */
  home: string
}

/** The Java of JAVA_HOME, else the one on the PATH. */
export async function javaRuntime(): Promise<JavaRuntime | undefined> {
  const program = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java'
  const settings = await outputOf(program, ['-XshowSettings:properties', '-version'])
  const version = /java\.specification\.version = (\S+)/.exec(settings)?.[1]
  const home = /java\.home = (.+)/.exec(settings)?.[1]?.trim()
  return version !== undefined && home !== undefined ? { version, home } : undefined
}

async function goVersion(): Promise<string> {
  const texts = await Promise.all(goModuleFiles.map((file) => readFile(file, 'utf8')))
  const versions = texts.map((text) => /^go (\S+)$/m.exec(text)?.[1] ?? '1')
  return versions.reduce((a, b) => (compareVersions(a, b) >= 0 ? a : b))
}

async function outputOf(program: string, args: string[], environment: NodeJS.ProcessEnv = {}) {
  try {
    const { stdout, stderr } = await run(program, args, { env: { ...process.env, ...environment } })
    return stdout + stderr
  } catch {
    return ''
  }
}
