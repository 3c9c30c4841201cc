/**
 * Which span of one trace is which of another, by structure and never by the order in which they arrived.
 *
 * From the roots down (as in Selkow, The tree-to-tree editing problem, 1977), with Jaeger's idea of what a span is,
 * its service and name below the same ancestors, and three additions:
 * - of siblings with one label, as attempts are, the first is the first; when there are more on one side, those are
 *   taken, in their order, below which the most is alike;
 * - a level that one side lacks is passed over: where a span has no match, and at least half of its children have one
 *   among what is left of the other side's, it alone is missing or added. One level, no more: with every further
 *   one, what only happens to be called the same is more often taken for the same;
 * - both traces may have several roots.
 */

export interface MatchedNode<Node> {
  /** Undefined where only the other side has it, and so for all below it except where a level was passed over. */
  readonly a: Node | undefined
  readonly b: Node | undefined
  readonly children: readonly MatchedNode<Node>[]
}

interface Tree<Node> {
  readonly children: readonly Node[]
}

export interface Likeness<Node> {
  /** Only nodes with the same label match. */
  readonly labelOf: (node: Node) => string
  /** What else speaks for a pair among siblings of one label; the same for both is better. */
  readonly traitOf: (node: Node) => string
}

interface Growing<Node> extends MatchedNode<Node> {
  readonly children: Growing<Node>[]
}

interface Task<Node> {
  readonly as: readonly Node[]
  readonly bs: readonly Node[]
  readonly into: Growing<Node>[]
}

/** @param as the roots of one side, siblings in an order of their own that says which is the first, the second ... */
export function matchForests<Node extends Tree<Node>>(
  as: readonly Node[],
  bs: readonly Node[],
  likeness: Likeness<Node>,
): MatchedNode<Node>[] {
  const roots: Growing<Node>[] = []
  const tasks: Task<Node>[] = [{ as, bs, into: roots }]
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    for (const { node, as, bs } of matchSiblings(task, likeness)) tasks.push({ as, bs, into: node.children })
  }
  return roots
}

interface Pair<Node> {
  readonly a: Node
  readonly b: Node
}

interface Placed<Node> extends Omit<Task<Node>, 'into'> {
  readonly node: Growing<Node>
}

/** Fills one level, and says what is to be matched below each of its nodes. */
function matchSiblings<Node extends Tree<Node>>(
  { as, bs, into }: Task<Node>,
  likeness: Likeness<Node>,
): Placed<Node>[] {
  const pairs = pairUp(as, bs, likeness)
  const placed = pairs.map(({ a, b }) => place({ a, b }, a.children, b.children))
  const without = (nodes: readonly Node[], used: readonly Node[]) => {
    const gone = new Set(used)
    return nodes.filter((node) => !gone.has(node))
  }
  let restA = without(
    as,
    pairs.map(({ a }) => a),
  )
  let restB = without(
    bs,
    pairs.map(({ b }) => b),
  )
  /** The children of nodes that were passed over, by the level's own node that stands for them in the order. */
  const standsFor = new Map<Node, Growing<Node>>()

  for (;;) {
    const passed = passOver(restA, restB, likeness)
    if (passed === undefined) break
    const { side, node, taken } = passed
    const made =
      side === 'a'
        ? place({ a: node, b: undefined }, node.children, taken)
        : place({ a: undefined, b: node }, taken, node.children)
    placed.push(made)
    for (const each of taken) standsFor.set(each, made.node)
    restA = without(restA, side === 'a' ? [node] : taken)
    restB = without(restB, side === 'b' ? [node] : taken)
  }
  for (const a of restA) placed.push(place({ a, b: undefined }, a.children, []))
  for (const b of restB) placed.push(place({ a: undefined, b }, [], b.children))
  into.push(...inOrder(as, bs, placed, standsFor))
  return placed
}

const place = <Node>(
  { a, b }: Pick<MatchedNode<Node>, 'a' | 'b'>,
  as: readonly Node[],
  bs: readonly Node[],
): Placed<Node> => ({ node: { a, b, children: [] }, as, bs })

/** As they are in A; what only B has follows what it follows there. */
function inOrder<Node>(
  as: readonly Node[],
  bs: readonly Node[],
  placed: readonly Placed<Node>[],
  standsFor: ReadonlyMap<Node, Growing<Node>>,
): Growing<Node>[] {
  const nodeOf = new Map(standsFor)
  for (const { node } of placed) {
    if (node.a !== undefined) nodeOf.set(node.a, node)
    if (node.b !== undefined) nodeOf.set(node.b, node)
  }
  const listed = (siblings: readonly Node[]) => new Set(siblings.flatMap((each) => nodeOf.get(each) ?? []))
  const ordered = [...listed(as)]
  let place = 0
  for (const node of listed(bs)) {
    const at = ordered.indexOf(node)
    if (at < 0) ordered.splice(place, 0, node)
    place = at < 0 ? place + 1 : at + 1
  }
  return ordered
}

/** All pairs of one level, label by label. */
function pairUp<Node extends Tree<Node>>(
  as: readonly Node[],
  bs: readonly Node[],
  likeness: Likeness<Node>,
): Pair<Node>[] {
  const ofB = Map.groupBy(bs, likeness.labelOf)
  return [...Map.groupBy(as, likeness.labelOf)].flatMap(([label, ofA]) =>
    align(ofA, ofB.get(label) ?? [], likeness),
  )
}

/** Beyond this many pairs to weigh, the first is the first without more ado. */
const mostPairs = 10_000

/** Pairs of nodes of one label in their order: as many as can be, and of those the ones that are most alike. */
function align<Node extends Tree<Node>>(
  as: readonly Node[],
  bs: readonly Node[],
  likeness: Likeness<Node>,
): Pair<Node>[] {
  if (as.length === bs.length || as.length * bs.length > mostPairs) {
    return as.flatMap((a, index) => bs.slice(index, index + 1).map((b) => ({ a, b })))
  }
  const [few, many] = as.length < bs.length ? [as, bs] : [bs, as]
  const profiles = new Map([...few, ...many].map((node) => [node, profileOf(node, likeness)]))
  const scores = few.map((one) =>
    many.map((other) => similarity(profiles.get(one) ?? new Map(), profiles.get(other) ?? new Map())),
  )
  const chosen = bestPlaces(scores, many.length)
  return few.flatMap((one, index) =>
    many
      .slice(chosen[index], (chosen[index] ?? 0) + 1)
      .map((other) => (few === as ? { a: one, b: other } : { a: other, b: one })),
  )
}

/**
 * For each row a column, further right from row to row, with the greatest sum; of equal ones the leftmost.
 * @param scores fewer rows than columns
 */
function bestPlaces(scores: readonly (readonly number[])[], columns: number): number[] {
  const spare = columns - scores.length
  // best[row][skipped]: the greatest sum of this row and those below when so many columns were passed over before it.
  const best: number[][] = Array.from({ length: scores.length + 1 }, () => Array<number>(spare + 1).fill(0))
  const at = (row: number, skipped: number): number => best[row]?.[skipped] ?? -Infinity
  const taking = (row: number, skipped: number): number =>
    (scores[row]?.[row + skipped] ?? 0) + at(row + 1, skipped)
  for (let row = scores.length - 1; row >= 0; row--) {
    for (let skipped = spare; skipped >= 0; skipped--) {
      const line = best[row]
      if (line)
        line[skipped] = Math.max(taking(row, skipped), skipped < spare ? at(row, skipped + 1) : -Infinity)
    }
  }
  let skipped = 0
  return scores.map((_scores, row) => {
    while (skipped < spare && taking(row, skipped) < at(row, skipped)) skipped += 1
    return row + skipped
  })
}

/** How often each label is there, at a node and below it. */
type Profile = ReadonlyMap<string, number>

function profileOf<Node extends Tree<Node>>(top: Node, { labelOf, traitOf }: Likeness<Node>): Profile {
  const counts = new Map<string, number>([[`trait ${traitOf(top)}`, 1]])
  const waiting = [top]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    const label = `label ${labelOf(node)}`
    counts.set(label, (counts.get(label) ?? 0) + 1)
    waiting.push(...node.children)
  }
  return counts
}

function similarity(one: Profile, other: Profile): number {
  let common = 0
  for (const [what, count] of one) common += Math.min(count, other.get(what) ?? 0)
  return common
}

interface PassedOver<Node> {
  readonly side: 'a' | 'b'
  readonly node: Node
  /** Of the other side's: what matches the node's children. */
  readonly taken: readonly Node[]
}

/** The node whose children match the most of what the other side has left, if there is one. */
function passOver<Node extends Tree<Node>>(
  restA: readonly Node[],
  restB: readonly Node[],
  likeness: Likeness<Node>,
): PassedOver<Node> | undefined {
  const candidates = [
    ...restA.map((node) => ({
      side: 'a' as const,
      node,
      taken: pairUp(node.children, restB, likeness).map(({ b }) => b),
    })),
    ...restB.map((node) => ({
      side: 'b' as const,
      node,
      taken: pairUp(restA, node.children, likeness).map(({ a }) => a),
    })),
  ].filter(({ node, taken }) => taken.length > 0 && taken.length * 2 >= node.children.length)
  return candidates.reduce<PassedOver<Node> | undefined>(
    (best, each) => (best === undefined || each.taken.length > best.taken.length ? each : best),
    undefined,
  )
}
