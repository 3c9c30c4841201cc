/** Processor profiles, as V8 samples them, added up: by who is at work, and as stacks for a flame graph. */
import type { Profiler } from 'node:inspector'
import { fileURLToPath } from 'node:url'

export type CpuProfile = Profiler.Profile

/** A node of stacks that were added up. `micros` are its own and those of all above it. */
export interface Frame {
  readonly name: string
  /** A package, or a folder of this repository, or what V8 calls what is neither. */
  readonly owner: string
  micros: number
  readonly children: Map<string, Frame>
}

/** Not work: nothing to do, and the profile's own root. */
const resting = new Set(['(idle)', '(root)'])
/** V8's own names for what is nobody's function. */
const isOfMachine = (name: string): boolean => name.startsWith('(') && name.endsWith(')')
const platform = 'node'

/**
 * Whose a function is. Of this repository's files the two folders from its top count: `shared/telemetry`.
 * @param root of the repository, a path
 */
export function ownerOf({ functionName, url }: { functionName: string; url: string }, root: string): string {
  if (isOfMachine(functionName) && url === '') return functionName.slice(1, -1)
  if (url === '' || url.startsWith('node:')) return platform
  const path = url.startsWith('file:') ? fileURLToPath(url) : url
  const installed = path.lastIndexOf('/node_modules/')
  if (installed !== -1) {
    const [scope = '', name = ''] = path.slice(installed + '/node_modules/'.length).split('/')
    return scope.startsWith('@') ? `${scope}/${name}` : scope
  }
  if (!path.startsWith(`${root}/`)) return platform
  return path
    .slice(root.length + 1)
    .split('/')
    .slice(0, -1)
    .slice(0, 2)
    .join('/')
}

export const emptyFrame = (name: string): Frame => ({ name, owner: '', micros: 0, children: new Map() })

/**
 * Adds a profile below a frame.
 * @returns microseconds by owner; work of Node itself is whose function asked for it, unless nobody's did
 */
export function addProfile(
  into: Frame,
  profile: Pick<CpuProfile, 'nodes' | 'samples' | 'timeDeltas'>,
  root: string,
): Map<string, number> {
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  )
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const stacks = new Map<number, readonly { name: string; owner: string }[]>()
  /** From the outermost function to the node's own. */
  const stackOf = (id: number): readonly { name: string; owner: string }[] => {
    const known = stacks.get(id)
    if (known) return known
    const node = nodes.get(id)
    const parent = parents.get(id)
    const below = parent === undefined ? [] : stackOf(parent)
    if (!node || resting.has(node.callFrame.functionName)) return below
    const name = node.callFrame.functionName || '(anonymous)'
    const stack = [...below, { name, owner: ownerOf(node.callFrame, root) }]
    stacks.set(id, stack)
    return stack
  }

  const byOwner = new Map<string, number>()
  const { samples = [], timeDeltas = [] } = profile
  for (const [index, id] of samples.entries()) {
    const node = nodes.get(id)
    // A sample lasts until the next one.
    const micros = timeDeltas[index + 1] ?? 0
    if (!node || micros <= 0 || resting.has(node.callFrame.functionName)) continue
    const stack = stackOf(id)
    const worker = stack.findLast(({ owner }) => owner !== platform)?.owner ?? platform
    byOwner.set(worker, (byOwner.get(worker) ?? 0) + micros)
    let frame = into
    frame.micros += micros
    for (const { name, owner } of stack) {
      const key = `${owner} ${name}`
      const child = frame.children.get(key) ?? { name, owner, micros: 0, children: new Map<string, Frame>() }
      frame.children.set(key, child)
      child.micros += micros
      frame = child
    }
  }
  return byOwner
}
