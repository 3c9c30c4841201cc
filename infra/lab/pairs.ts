/** Two that are told apart by a pair of measurements, in turn: A B, B A, A B, ... so that whatever drifts, drifts for both. */

/** What was measured of each, and which of them came first. */
export type Pair<Side extends string, Measured> = Record<Side, Measured> & { first: Side }

/** @param index of the pair: with each the order is the other one */
export async function measurePair<Side extends string, Measured>(
  index: number,
  [one, other]: readonly [Side, Side],
  measure: (side: Side) => Promise<Measured>,
): Promise<Pair<Side, Measured>> {
  const [first, second] = index % 2 === 0 ? [one, other] : [other, one]
  const measured = { [first]: await measure(first), [second]: await measure(second) } as Record<
    Side,
    Measured
  >
  return { ...measured, first }
}
