/** The end of a log, indented for an error message. */
export function lastLines(log: string, count = 20): string {
  return log
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => `    ${line}`)
    .join('\n')
}
