/**
 * The real servers for live tests: one stack for a whole mocha run, on free ports, started when the first test
 * asks for it and stopped when the last has ended. Loaded by .mocharc.json for its root hook.
 */
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts } from '../native/ports.ts'

let stack: Promise<Stack> | undefined

/** The stack of this run; ask `ready(name)` for the servers that a test needs. */
export function stackForTests(): Promise<Stack> {
  stack ??= pickFreePorts().then((ports) =>
    openStack({
      ports,
      // Most who ask Prometheus wait for the next scrape.
      prometheus: { interval: '2s' },
      collector: { overlays: ['../verify/collector-for-tests.yaml'] },
    }),
  )
  return stack
}

export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000)
    await (await stack)?.down()
  },
}
