/** Something that is asked for: on its way, there, or failed; and there with an older answer while a newer one failed. */
export interface Remote<Value> {
  readonly value: Value | undefined
  /** For people; of the last try. */
  readonly error: string | undefined
  readonly isLoading: boolean
}

export const nothingYet: Remote<never> = { value: undefined, error: undefined, isLoading: true }

/** Asks, and reports what comes of it. Never rejects. */
export async function load<Value>(
  ask: () => Promise<Value>,
  before: Remote<Value>,
  report: (remote: Remote<Value>) => void,
): Promise<void> {
  try {
    report({ value: await ask(), error: undefined, isLoading: false })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    report({ value: before.value, error: message, isLoading: false })
  }
}
