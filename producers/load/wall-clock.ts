/**
 * What the wall clock says at a time of `performance.now()`. Read off anew for each load, since the two part when somebody
 * sets the clock; and at a tick, since it counts whole milliseconds.
 */
export function readWallClock(): (at: number) => number {
  const before = Date.now()
  let ticked = before
  while (ticked === before) ticked = Date.now()
  const offset = ticked - performance.now()
  return (at) => at + offset
}
