/** How the page writes times, durations and ids. */

/** With two digits after the point, so that they stand below each other. */
export const millis = (micros: number): string => `${(micros / 1_000).toFixed(2)} ms`

export const signedMillis = (micros: number): string => `${micros < 0 ? '−' : '+'}${millis(Math.abs(micros))}`

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
})

/** The time of day where the reader is. @param time RFC 3339 */
export const timeOfDay = (time: string): string => clock.format(new Date(time))

/** Enough of an id to tell it from its neighbours. */
export const shortId = (id: string): string => id.slice(0, 8)

/** RFC 3339 to microseconds since the epoch; `Date` keeps milliseconds only. */
export function microsOf(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? ''
  const wholeSeconds = Date.parse(time.replace(/\.\d+/, ''))
  return wholeSeconds * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

/** Round marks for an axis from 0 to a length, some five of them. */
export function ticksFor(lengthMicros: number): number[] {
  if (lengthMicros <= 0) return [0]
  const rough = lengthMicros / 5
  const magnitude = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10) * magnitude
  return Array.from({ length: Math.floor(lengthMicros / step) + 1 }, (_, index) => index * step)
}

/** A tick's label: no more digits than the step needs. */
export const tickLabel = (micros: number): string =>
  micros >= 10_000_000 ? `${micros / 1_000_000} s` : `${Number((micros / 1_000).toFixed(3))} ms`
