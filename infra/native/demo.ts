// `npm run demo`: everything up, real checkouts, what the backends have of them, everything down.
import { runUntilStopped } from './run-until-stopped.ts'
import { bringUp } from './sagascope.ts'
import { walkThrough } from './walkthrough.ts'

await runUntilStopped(async (onStop) => {
  const { backends, failure } = await bringUp(onStop)
  await Promise.race([walkThrough(backends), failure])
})
