/**
 * For tests that mostly wait: they begin together, before the first test of the suite that this is called in, and each
 * tells how it has ended where the function that is returned is called.
 * @param tests by their titles; none may count on another's beginning or end
 */
export function sideBySide(tests: Readonly<Record<string, () => Promise<void>>>): () => void {
  const begun = new Map<string, Promise<void>>()
  before(() => {
    for (const [title, test] of Object.entries(tests)) {
      const ended = test()
      ended.catch(() => undefined) // its own test tells
      begun.set(title, ended)
    }
  })
  return () => {
    for (const title of Object.keys(tests)) it(title, () => begun.get(title))
  }
}
