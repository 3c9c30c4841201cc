// `npm start`: as the demo, and stays up until Ctrl-C.
import { sampleCheckout } from '../verify/checkouts.ts'
import { runUntilStopped } from './run-until-stopped.ts'
import { bringUp } from './sagascope.ts'
import { walkThrough } from './walkthrough.ts'

await runUntilStopped(async (onStop) => {
  const { backends, stack, failure } = await bringUp(onStop)
  await Promise.race([walkThrough(backends), failure])
  const body = JSON.stringify(sampleCheckout({ email: 'you@example.com' }))
  console.log(`
Sagascope is up. Place a checkout of your own:
  curl -i ${backends.gatewayUrl}/checkouts -H 'content-type: application/json' -d '${body}'
What can be bought, and the tokens that make payments fail: ${backends.gatewayUrl}/catalogue
Look at it: ${backends.gatewayUrl}/console
Logs of every process: ${stack.runDirectory}
Ctrl-C stops everything.`)
  await failure
})
