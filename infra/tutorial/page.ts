/**
 * A page of commands as its test reads it. What a fence is for is the word after its language:
 *
 * - `sh` is typed in the terminal of the page's reader, and all of them in the same one;
 * - `sh <name>` is typed in a terminal of its own, where it stays until it is typed there again;
 * - `diff` is a change of files, as `git apply` takes it;
 * - `text` is what the commands above it print, with other ids, times and durations, and perhaps with more around it.
 */
export type Block =
  | { readonly kind: 'commands'; readonly terminal: string | undefined; readonly text: string }
  | { readonly kind: 'change'; readonly diff: string }
  | { readonly kind: 'output'; readonly lines: readonly string[] }

export interface Section {
  readonly heading: string
  readonly blocks: readonly Block[]
}

/** The page's `##` sections, in order. @throws Error for a fence that says of itself what no reader of the page knows */
export function sectionsOf(markdown: string): Section[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      heading: section.slice(0, section.indexOf('\n')),
      blocks: [...section.matchAll(/^```(\S*) ?(.*)\n([^]*?)^```$/gm)].map(([, language, word, text]) =>
        blockOf(language ?? '', word ?? '', text ?? ''),
      ),
    }))
}

function blockOf(language: string, word: string, text: string): Block {
  switch (language) {
    case 'sh':
      return { kind: 'commands', terminal: word === '' ? undefined : word, text }
    case 'diff':
      return { kind: 'change', diff: text }
    case 'text':
      return { kind: 'output', lines: text.split('\n').filter((line) => line.trim() !== '') }
    default:
      throw new Error(`the page has a fence of ${JSON.stringify(language)}, for which it has no use`)
  }
}

/** What is another each time: ids first, for they have digits as times have. */
const varying: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<checkout>'],
  [/\b[0-9a-f]{32}\b/g, '<trace>'],
  [/\b[0-9a-f]{16}\b/g, '<span>'],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>'],
  [/(127\.0\.0\.1|localhost):\d+/g, '<address>'],
  // Where a message lies: topic, partition, offset.
  [/\b[a-z-]+\/\d+\/\d+\b/g, '<place>'],
  [/[+-]?\d+(\.\d+)? (ms|s)\b/g, '<duration>'],
  [/[+-]?\d+(\.\d+)? %/g, '<share>'],
  [/\d+(\.\d+)?x\b/g, '<ratio>'],
]

/** A line as far as it is the same each time. */
const unvarying = (line: string): string =>
  varying.reduce(
    (text, [pattern, name]) => text.replaceAll(pattern, name),
    line.replaceAll(/\s+/g, ' ').trim(),
  )

const cut = ' ...'

/**
 * @param promised lines of the page; of one that ends with ` ...` only what is before that
 * @returns the first of them that was not printed, after those before it; undefined when all were
 */
export function missingLine(promised: readonly string[], printed: string): string | undefined {
  const lines = printed.split('\n').map(unvarying)
  let from = 0
  return promised.find((line) => {
    const wanted = unvarying(line)
    const at = lines.findIndex(
      (each, index) =>
        index >= from &&
        (wanted.endsWith(cut) ? each.startsWith(wanted.slice(0, -cut.length)) : each === wanted),
    )
    from = at + 1
    return at < 0
  })
}

/** Commands that change nothing, so that whoever misses something in the answer may ask once more. */
export const onlyAsks = (commands: string): boolean => !/\$\(place |--execute/.test(commands)
