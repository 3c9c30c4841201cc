/** A release of payments cannot handle the orders that it is sent: they go to the dead letters. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readDeadLetters } from '../../../producers/dead-letters/read-dead-letters.ts'
import type { Running, Scenario } from '../scenario.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const defectiveRelease = 'producers/dead-letters/defective-payments-for-tests.ts'
const code = 'TypeError'

export const poisonMessage: Scenario = {
  name: 'poison-message',
  what: 'A new release of payments fails on every order, at every attempt.',
  alert: 'DeadLetters',
  panels: [
    { dashboard: 'kafka-and-outbox', title: 'Dead letters, 1 h' },
    { dashboard: 'services', title: 'Share of failed requests and messages' },
  ],
  exemplars: {
    panel: { dashboard: 'services', title: 'Requests and messages, p95' },
    narrowedTo: ({ alertLabels }) => ({
      span_name: `process ${alertLabels.messaging_destination_name ?? ''}`,
      status_code: 'STATUS_CODE_ERROR',
    }),
  },
  affected: (trace) => trace.some(({ name }) => name === 'send dead-letters'),
  expected: { kind: 'span', services: ['payments'], name: 'process orders' },

  async lookFurther({ kafka }, { faultAtMillis, trace }) {
    const { letters } = await readDeadLetters(kafka, faultAtMillis)
    const [{ traceId } = { traceId: '' }] = trace
    const letter = letters.find(({ failedIn }) => failedIn?.traceId === traceId)
    if (!letter) return []
    const { id, errorCode, attempts } = letter
    return [
      `npm run dead-letters -- show ${id}: ${errorCode}, ${attempts} attempts`,
      `npm run dead-letters -- list: ${letters.length} since the fault`,
    ]
  },

  prepare: () =>
    Promise.resolve({
      environment: {},
      async inject({ deployment }) {
        await deployment.deploy('payments', { main: defectiveRelease })
        return 'the new release of payments runs'
      },
      async fix(running) {
        await running.deployment.deploy('payments')
        return `the release before runs again; ${await redriveAll(running)}`
      },
    }),
}

/** As the runbook says. @returns the last line that the command printed */
async function redriveAll({ environment }: Running): Promise<string> {
  const args = ['redrive', '--all', '--code', code, '--execute']
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['producers/dead-letters/dead-letters.ts', ...args],
    { cwd: repository, env: environment },
  )
  return `npm run dead-letters -- ${args.join(' ')}: ${stdout.trim().split('\n').at(-1) ?? ''}`
}
