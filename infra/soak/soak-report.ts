/** What a soak has seen, and what that means: as data, as text for people, and as pictures. */
import type { Point, Trend } from './trend.ts'
import { trendOf } from './trend.ts'

export interface Sample {
  /** Since the load began; negative before. */
  readonly seconds: number
  readonly life: number
  readonly rssBytes: number
  readonly cpuSeconds: number
  readonly openFiles: number | undefined
}

export interface ProbeSample {
  readonly seconds: number
  readonly life: number
  readonly heapUsedBytes: number
  readonly heapUsedAfterGcBytes: number
  readonly externalAfterGcBytes: number
  readonly eventLoopDelayP99Millis: number
  readonly activeResources: number
  readonly majorCollections: number
}

export interface WatchedProcess {
  readonly name: string
  /** Ours: its growth decides. A server's is reported. */
  readonly isService: boolean
  readonly samples: readonly Sample[]
  /** Of services only. */
  readonly probes: readonly ProbeSample[]
  /** How it ended although nobody had asked it to. */
  readonly endings: readonly string[]
}

export interface Load {
  readonly minutes: number
  readonly warmUpMinutes: number
  readonly ratePerSecond: number
  readonly placed: number
  readonly accepted: number
  /** Followed to their end through an event stream. */
  readonly followed: number
  /** Of these, what ended otherwise than it should, or not in time. */
  readonly astray: readonly string[]
}

export interface Growth {
  /** MiB in ten minutes, and where it lies with 95 % confidence. */
  readonly mebibytes: number
  readonly lower: number
  readonly upper: number
  readonly points: number
}

export interface ProcessResult {
  readonly name: string
  readonly isService: boolean
  /** In use after garbage collection: heap and what it holds outside. */
  readonly inUse: Growth | undefined
  readonly heapUsed: Growth | undefined
  readonly rss: Growth | undefined
  readonly lastInUseMebibytes: number | undefined
  readonly lastRssMebibytes: number
  readonly cores: number
  readonly openFiles: readonly [first: number, last: number] | undefined
  readonly activeResources: readonly [first: number, last: number] | undefined
  readonly eventLoopDelayP99Millis: number | undefined
  readonly majorCollections: number
  readonly endings: readonly string[]
  readonly faults: readonly string[]
}

export interface SoakResult {
  readonly passed: boolean
  readonly load: Load
  readonly processes: readonly ProcessResult[]
  readonly faults: readonly string[]
}

const mebibyte = 1024 ** 2
const tenMinutesSeconds = 600
export const growthLimitMebibytes = 1
const astrayShown = 5
/** A leak of files or sockets shows in a minute or never; a few more are connections of pools. */
const openFilesGrowthLimit = 50

export function judge(load: Load, watched: readonly WatchedProcess[]): SoakResult {
  const processes = watched.map((each) => judgeProcess(each, load))
  const faults = [
    ...(load.accepted < load.placed * 0.99
      ? [`only ${load.accepted} of ${load.placed} checkouts were accepted`]
      : []),
    ...load.astray.slice(0, astrayShown),
    ...(load.astray.length > astrayShown ? [`and ${load.astray.length - astrayShown} more went astray`] : []),
  ]
  return {
    passed: faults.length === 0 && processes.every((each) => each.faults.length === 0),
    load,
    processes,
    faults,
  }
}

function judgeProcess(
  { name, isService, samples, probes, endings }: WatchedProcess,
  load: Load,
): ProcessResult {
  const counts = ({ seconds }: { readonly seconds: number }) => seconds >= load.warmUpMinutes * 60
  const [warm, warmProbes] = [samples.filter(counts), probes.filter(counts)]
  const [first, last] = [warm[0], warm.at(-1)]
  const inUse = growthOf(warmProbes, inUseBytes)
  const openFiles = between(warm.map((sample) => sample.openFiles))
  const faults = endings.map((how) => `${name} ended: ${how}`)
  if (isService) {
    if (!inUse) faults.push(`${name}: too few measurements to tell`)
    else if (inUse.mebibytes >= growthLimitMebibytes) {
      faults.push(`${name} grows by ${inUse.mebibytes.toFixed(2)} MiB in ten minutes`)
    }
    if (openFiles && openFiles[1] - openFiles[0] > openFilesGrowthLimit) {
      faults.push(`${name} has ${openFiles[1]} open files, ${openFiles[0]} after the warm-up`)
    }
  }
  const lastProbe = probes.at(-1)
  return {
    name,
    isService,
    inUse,
    heapUsed: growthOf(warmProbes, ({ heapUsedBytes }) => heapUsedBytes),
    rss: growthOf(warm, ({ rssBytes }) => rssBytes),
    lastInUseMebibytes: lastProbe && inUseBytes(lastProbe) / mebibyte,
    lastRssMebibytes: (samples.at(-1)?.rssBytes ?? 0) / mebibyte,
    cores:
      first && last && last.seconds > first.seconds
        ? (last.cpuSeconds - first.cpuSeconds) / (last.seconds - first.seconds)
        : NaN,
    openFiles,
    activeResources: between(warmProbes.map((probe) => probe.activeResources)),
    eventLoopDelayP99Millis: median(warmProbes.map((probe) => probe.eventLoopDelayP99Millis)),
    majorCollections: probes.reduce((sum, probe) => sum + probe.majorCollections, 0),
    endings,
    faults,
  }
}

export const inUseBytes = (probe: ProbeSample): number =>
  probe.heapUsedAfterGcBytes + probe.externalAfterGcBytes

function growthOf<Each extends { readonly seconds: number; readonly life: number }>(
  all: readonly Each[],
  bytesOf: (each: Each) => number,
): Growth | undefined {
  const points = all.map((each): Point => ({ seconds: each.seconds, life: each.life, value: bytesOf(each) }))
  const trend = trendOf(points)
  return trend && inTenMinutes(trend)
}

function inTenMinutes({ slope, lower, upper, points }: Trend): Growth {
  const [mebibytes, low, high] = [slope, lower, upper].map((each) => (each * tenMinutesSeconds) / mebibyte)
  return { mebibytes: mebibytes ?? NaN, lower: low ?? NaN, upper: high ?? NaN, points }
}

function between(values: readonly (number | undefined)[]): [number, number] | undefined {
  const [first, last] = [values[0], values.at(-1)]
  return first === undefined || last === undefined ? undefined : [first, last]
}

const median = (values: readonly number[]): number | undefined =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`
const growthText = (growth: Growth | undefined): string =>
  growth ? `${signed(growth.mebibytes)} (${signed(growth.lower)} to ${signed(growth.upper)})` : ''
const numberText = (value: number | undefined, digits = 0): string =>
  value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits)

export function toMarkdown({ passed, load, processes, faults }: SoakResult): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const columns = [
    'process',
    'in use after GC, growth',
    'in use, last',
    'RSS, growth',
    'RSS, last',
    'cores',
    'event loop late, p99',
    'open files',
    'handles',
    'full GCs of its own',
  ]
  const rows = processes.map((each) => [
    each.name,
    growthText(each.inUse),
    numberText(each.lastInUseMebibytes, 1),
    growthText(each.rss),
    numberText(each.lastRssMebibytes),
    numberText(each.cores, 3),
    each.eventLoopDelayP99Millis === undefined ? '' : `${each.eventLoopDelayP99Millis.toFixed(1)} ms`,
    each.openFiles?.join(' to ') ?? '',
    each.activeResources?.join(' to ') ?? '',
    each.isService ? String(each.majorCollections) : '',
  ])
  const allFaults = [...faults, ...processes.flatMap((each) => each.faults)]
  const uncertain = processes.filter(
    ({ inUse }) => inUse && inUse.lower < growthLimitMebibytes && inUse.upper >= growthLimitMebibytes,
  )
  return [
    `# Soak: ${passed ? 'nothing grows' : 'failed'}`,
    '',
    `${load.minutes} minutes at ${load.ratePerSecond} checkouts a second; the first ${load.warmUpMinutes.toFixed(1)} do not count.` +
      ` ${load.accepted} of ${load.placed} checkouts accepted; ${load.followed} followed, ${load.astray.length} of them astray.`,
    '',
    ...allFaults.map((fault) => `- ${fault}`),
    ...(allFaults.length > 0 ? [''] : []),
    `MiB; growth is in ten minutes, with its 95 % confidence interval. A service passes below ${growthLimitMebibytes}.`,
    ...(uncertain.length > 0
      ? [`A longer soak would tell better of: ${uncertain.map(({ name }) => name).join(', ')}.`]
      : []),
    '',
    row(columns),
    row(columns.map(() => '---')),
    ...rows.map(row),
    '',
  ].join('\n')
}

const width = 720
const height = 220
const margin = 40

/** Resident memory as a line; of a service also the heap as it is and what is in use after garbage collection. */
export function toSvg({ name, samples, probes }: WatchedProcess): string {
  const lines: [label: string, colour: string, points: readonly (readonly [number, number])[]][] = [
    ['RSS', '#888', samples.map(({ seconds, rssBytes }) => [seconds, rssBytes])],
    ['heap used', '#e8a33d', probes.map(({ seconds, heapUsedBytes }) => [seconds, heapUsedBytes])],
    ['in use after GC', '#2a6fbb', probes.map((probe) => [probe.seconds, inUseBytes(probe)])],
  ]
  const all = lines.flatMap(([, , points]) => points)
  const from = Math.min(0, ...all.map(([seconds]) => seconds))
  const to = Math.max(1, ...all.map(([seconds]) => seconds))
  const top = Math.max(1, ...all.map(([, bytes]) => bytes)) * 1.1
  const x = (seconds: number) => (margin + ((seconds - from) / (to - from)) * (width - 2 * margin)).toFixed(1)
  const y = (bytes: number) => (height - margin - (bytes / top) * (height - 2 * margin)).toFixed(1)
  const axis = `<path d="M${margin} ${margin}V${height - margin}H${width - margin}" fill="none" stroke="#444"/>`
  const marks = [
    `<text x="${margin}" y="20" font-weight="bold">${name}</text>`,
    `<text x="4" y="${margin + 4}">${(top / mebibyte).toFixed(0)} MiB</text>`,
    `<text x="${width - margin}" y="${height - margin + 16}" text-anchor="end">${(to / 60).toFixed(1)} min</text>`,
    ...lines
      .filter(([, , points]) => points.length > 0)
      .map(
        ([label, colour], index) =>
          `<text x="${margin + 120 + index * 130}" y="20" fill="${colour}">${label}</text>`,
      ),
  ]
  const paths = lines
    .filter(([, , points]) => points.length > 0)
    .map(([, colour, points]) => {
      const path = points.map(([seconds, bytes]) => `${x(seconds)},${y(bytes)}`).join(' ')
      return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`
    })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    axis,
    ...marks,
    ...paths,
    '</svg>',
    '',
  ].join('\n')
}
