/** How the lab's figures are written, on its page and in its text alike. */
import type { Interval } from '../../statistics/bootstrap.ts'
import type { Unit } from './figures.ts'
import type { Measured, Target } from './targets.ts'

/** Three digits that count: `0.964`, `1.05`, `12.3`, `1,234`. */
export function digits(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toLocaleString('en-US')
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(size)))
  return value.toFixed(Math.min(5, decimals))
}

const byteUnits = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytes(value: number): string {
  const power = Math.min(
    byteUnits.length - 1,
    Math.max(0, Math.floor(Math.log(Math.max(1, Math.abs(value))) / Math.log(1_024))),
  )
  return `${digits(value / 1_024 ** power)} ${byteUnits[power] ?? ''}`
}

export const percent = (share: number): string => `${digits(100 * share)} %`

export function amount(value: number, unit: Unit): string {
  if (unit === 'bytes') return bytes(value)
  return unit === 'ms' ? `${digits(value)} ms` : `${digits(value)} a second`
}

/** Ratios stand beside limits such as 0.95, so they have three decimals, and more where those would say nothing. */
export const times = (ratio: number): string => (Math.abs(ratio) < 0.1 ? digits(ratio) : ratio.toFixed(3))

/** `0.964 (0.951 to 0.973)` */
export const timesWithInterval = (ratio: Interval | undefined): string =>
  ratio ? withInterval(ratio, times) : '–'

/** `2.01 % (1.99 to 2.02)`: what all three would say is said once. */
export function withInterval({ estimate, lower, upper }: Interval, write: (value: number) => string): string {
  const [first = '', from = '', to = ''] = [estimate, lower, upper].map(write)
  const unit = first.slice(first.indexOf(' '))
  const isShared = first.includes(' ') && from.endsWith(unit) && to.endsWith(unit)
  const bare = (text: string) => (isShared ? text.slice(0, -unit.length) : text)
  return `${first} (${bare(from)} to ${bare(to)})`
}

/** `+0.213 ms (+0.190 to +0.240)`: what is negative was less than the baseline's. */
export function addedWithInterval({ estimate, lower, upper }: Interval, unit: Unit): string {
  const signed = (value: number) => `${value < 0 ? '−' : '+'}${amount(Math.abs(value), unit)}`
  return withInterval({ estimate, lower, upper }, signed)
}

export const inUnitOf =
  ({ unit }: Pick<Target, 'unit'>) =>
  (value: number): string =>
    ({ times, share: percent, bytes })[unit](value)

export const limitOf = (target: Pick<Target, 'sense' | 'limit' | 'unit'>): string =>
  `${target.sense} ${target.unit === 'times' ? String(target.limit) : withoutZeros(inUnitOf(target)(target.limit))}`

/** `30 MiB`, and not 30.0, of what is exactly so. */
const withoutZeros = (text: string): string => text.replace(/\.0+(?= |$)/, '')

export function measuredOf(target: Pick<Target, 'unit'>, measured: Measured | undefined): string {
  if (!measured) return '–'
  const { interval, detail, confidence } = measured
  const sureness = confidence < 0.95 ? `, sure to ${withoutZeros(percent(confidence))} only` : ''
  return `${withInterval(interval, inUnitOf(target))}${detail === undefined ? '' : `, ${detail}`}${sureness}`
}

/** `26 November 2026, 20:00 UTC` */
export const moment = (iso: string): string =>
  `${new Date(iso).toLocaleString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  })}, ${iso.slice(11, 16)} UTC`

export const groupTitles: Readonly<Record<string, string>> = {
  control: 'The control',
  signals: 'Signals',
  export: 'Export: when, how much at once, and in which format',
  sampling: 'Sampling',
  instrumentation: 'Instrumentation',
  runtime: 'The runtime',
  alternatives: 'What people would use instead',
  bare: 'Without a saga',
}

export const titleOfGroup = (group: string): string => groupTitles[group] ?? group

export const axisTitles = {
  services: 'services that a checkout passes',
  replicas: 'processes of each service',
  partitions: 'partitions',
  inFlight: 'checkouts in flight',
  storedCommits: 'commits in the store',
} as const
