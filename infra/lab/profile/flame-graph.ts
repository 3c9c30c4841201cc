/** A flame graph as an SVG that needs nothing else: width is time, what is above was called by what is below it. */
import { escape } from '../../compare/markup.ts'
import type { Frame } from './profile.ts'

const width = 1_200
const rowHeight = 16
const headHeight = 40
/** Narrower than this, nothing of it can be seen. */
const leastWidth = 0.5
const characterWidth = 6.2

const isTelemetry = (owner: string): boolean =>
  owner.startsWith('@opentelemetry/') ||
  owner === 'shared/telemetry' ||
  owner === 'import-in-the-middle' ||
  owner === 'require-in-the-middle'

/** Telemetry stands out, all else differs only so far that frames can be told apart. */
function colourOf({ name, owner }: Frame): string {
  const shade = Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 20, 7)
  if (isTelemetry(owner)) return `hsl(${10 + shade} 80% 62%)`
  return owner === 'node' ? `hsl(210 8% ${78 + shade / 4}%)` : `hsl(${200 + shade} 35% 74%)`
}

/** @param title says of what, and how much is the whole width */
export function drawFlameGraph(root: Frame, title: string): string {
  const scale = root.micros === 0 ? 0 : width / root.micros
  const boxes: { frame: Frame; x: number; depth: number }[] = []
  const place = (frame: Frame, x: number, depth: number): void => {
    boxes.push({ frame, x, depth })
    let at = x
    for (const child of [...frame.children.values()].sort((one, other) => other.micros - one.micros)) {
      const size = child.micros * scale
      if (size >= leastWidth) place(child, at, depth + 1)
      at += size
    }
  }
  place(root, 0, 0)
  const rows = 1 + Math.max(...boxes.map(({ depth }) => depth))
  const height = headHeight + rows * rowHeight
  const shapes = boxes.map(({ frame, x, depth }) => {
    const size = frame.micros * scale
    const y = height - (depth + 1) * rowHeight
    const share = ((100 * frame.micros) / root.micros).toFixed(2)
    const label = frame.owner === '' ? frame.name : `${frame.name} (${frame.owner})`
    const letters = Math.floor((size - 4) / characterWidth)
    const text =
      letters < 3
        ? ''
        : `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escape(label.slice(0, letters))}</text>`
    return `<g><title>${escape(label)}: ${share} %</title><rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0, size - 0.3).toFixed(1)}" height="${rowHeight - 1}" fill="${colourOf(frame)}"/>${text}</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, monospace" font-size="10">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="4" y="16" font-size="13">${escape(title)}</text>`,
    '<text x="4" y="32">Orange is telemetry. Point at a frame for its share.</text>',
    ...shapes,
    '</svg>',
    '',
  ].join('\n')
}
