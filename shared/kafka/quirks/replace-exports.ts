import Module, { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Which module of kafkajs, and one that keeps what it exports. The version is pinned, and tests would notice a change. */
interface PrivateModule {
  readonly id: string
  readonly keptBy: string
}

/**
 * Replaces what a private module of kafkajs exports, for those that require it later. Not by `require`: once telemetry
 * has hooked that, it gives what a module exported when it was first required.
 * @returns what it exported
 * @throws Error when kafkajs would go on with that: it was loaded first
 */
export function replaceExports<Exports>({ id, keptBy }: PrivateModule, replacement: Exports): Exports {
  const path = require.resolve(id)
  const { _load: load } = Module as unknown as { _load: (path: string) => Exports }
  const original = load(path)
  const module = require.cache[path]
  if (module) module.exports = replacement
  if (require.cache[require.resolve(keptBy)] || require(id) !== replacement) {
    throw new Error(`${id} was loaded before it could be replaced; import before-kafkajs.ts first`)
  }
  return original
}
