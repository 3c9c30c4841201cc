import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { ChildProcess } from '../../infra/native/child-process.ts'
import { startProcess } from '../../infra/native/child-process.ts'
import type { Stack } from '../../infra/native/open-stack.ts'
import { serviceEnvironment } from '../../infra/native/service-environment.ts'
import type { Services } from '../../infra/native/services.ts'
import { prepareServices } from '../../infra/native/services.ts'
import type { Accepted, CheckoutView } from '../../infra/verify/checkouts.ts'
import { placeCheckout, sampleCheckout, untilEnded } from '../../infra/verify/checkouts.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { findTracesOfSaga } from '../../shared/backends/jaeger.ts'
import { redriveContract, spanContract } from '../../infra/verify/telemetry-contract.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { LedgerEntry } from '../../consumers/payments/fake-payment-network.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import type { Send } from '../../shared/kafka/kafka.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))

interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

function runCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ran> {
  const commandLine = ['producers/dead-letters/dead-letters.ts', ...args]
  const options = { cwd: repository, env: { ...process.env, ...environment } }
  return new Promise((resolve) => {
    execFile(process.execPath, commandLine, options, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })
}

const span = z.object({ traceId: z.string(), spanId: z.string() })
const listed = z.object({
  deadLetters: z.array(
    z.object({
      id: z.string(),
      origin: z.object({ topic: z.string(), partition: z.number(), offset: z.string() }),
      consumerGroup: z.string(),
      errorCode: z.string(),
      attempts: z.number(),
      copies: z.number(),
      checkoutId: z.string().optional(),
      eventId: z.string().optional(),
      failedIn: span.optional(),
      sentIn: span.optional(),
      redrives: z.array(z.object({ at: z.string(), span: span.optional() })),
      leftAtOrigin: z.number().optional(),
    }),
  ),
})

describe('npm run dead-letters', function () {
  this.timeout(180_000)

  /** It looks for some seconds, which nobody else need wait for. */
  let withoutKafka: Promise<Ran & { readonly tookMillis: number }>
  before(() => {
    const startedAt = performance.now()
    withoutKafka = runCommand(['list'], { KAFKA_BROKERS: '127.0.0.1:1' }).then((ran) => ({
      ...ran,
      tookMillis: performance.now() - startedAt,
    }))
  })

  it('says how it is used', async () => {
    const { exitCode, stdout } = await runCommand(['--help'], {})
    equal(exitCode, 0)
    match(stdout, /npm run dead-letters -- show/)
  })

  it('says what it did not understand', async () => {
    const { exitCode, stdout, stderr } = await runCommand(['redrive'], {})
    deepEqual([exitCode, stdout], [2, ''])
    match(stderr, /redrive takes ids, or --all\.\nnpm run dead-letters -- --help tells more/)
  })

  it('names the variable that is wrong', async () => {
    const { exitCode, stderr } = await runCommand(['list'], { KAFKA_BROKERS: 'nowhere' })
    equal(exitCode, 2)
    match(stderr, /KAFKA_BROKERS: "nowhere" is refused/)
  })

  describe('on the real servers', () => {
    let stack: Stack
    let services: Services
    let store: StoreConnection & { readonly databasePrefix: string }
    let kafka: KafkaConnection
    let send: Send
    let disconnect: () => Promise<void>
    let startedAt: string
    let environment: NodeJS.ProcessEnv

    before(async () => {
      startedAt = new Date().toISOString()
      stack = await stackForTests()
      await Promise.all(
        (['kafka', 'mongodb', 'collector', 'jaeger'] as const).map((name) => stack.ready(name)),
      )
      store = await storeForTests()
      environment = {
        MONGODB_DATABASE_PREFIX: store.databasePrefix,
        DEADLINE_CHECK_INTERVAL_MILLIS: '200',
      }
      services = await prepareServices(stack, environment)
      const { log } = createRecordingLogger()
      kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'tests' }, log)
      await kafka.ensureTopics(6)
      ;({ send, disconnect } = await kafka.connectProducer())
      await Promise.all(
        (['gateway', 'users', 'orders', 'checkout'] as const).map((name) => services.up(name)),
      )
    })
    after(async () => {
      await services.down()
      await Promise.all([disconnect(), store.close()])
    })

    const command = (...args: readonly string[]): Promise<Ran> =>
      runCommand(args, {
        ...serviceEnvironment(stack),
        MONGODB_DATABASE_PREFIX: store.databasePrefix,
        OTEL_BSP_SCHEDULE_DELAY: '100',
      })

    async function list(...filters: readonly string[]) {
      const { exitCode, stdout, stderr } = await command('list', '--json', '--since', startedAt, ...filters)
      equal(exitCode, 0, stderr)
      return listed.parse(JSON.parse(stdout)).deadLetters
    }

    const untilListed = (label: string, ...filters: readonly string[]) =>
      eventually(label, async () => (await list(...filters))[0], {
        deadlineMillis: 60_000,
        intervalMillis: 200,
      })

    const place = (token = 'tok_visa'): Promise<Accepted> =>
      placeCheckout(services.gatewayUrl, sampleCheckout({ email: `${randomUUID()}@people.example`, token }))

    const ledgerOf = (checkoutId: string) =>
      store
        .databaseOf('payment-network')
        .collection<LedgerEntry>('ledger')
        .find({ checkoutId })
        .map(({ kind }) => kind)
        .toArray()

    /** A release of payments that fails at every capture, until it is replaced. */
    function startDefectiveRelease(): ChildProcess {
      const { args, environment, ...rest } = services.command('payments')
      const main = 'producers/dead-letters/defective-payments-for-tests.ts'
      return startProcess({
        ...rest,
        args: [...args.slice(0, -1), main],
        environment: { ...environment, OTEL_SERVICE_NAME: 'payments' },
      })
    }

    it('knows no dead letter that there is not, and sends none of the others then', async () => {
      const unknown = 'sagascope-payments/orders/0/999999999'
      for (const args of [
        ['show', unknown],
        ['redrive', unknown, '--execute'],
      ]) {
        const { exitCode, stdout, stderr } = await command(...args)
        deepEqual([exitCode, stdout], [1, ''])
        match(stderr, /There is no dead letter sagascope-payments\/orders\/0\/999999999/)
      }
    })

    it('leaves what no service could read', async () => {
      const checkoutId = randomUUID()
      await send([{ topic: 'orders', key: checkoutId, value: 'x', headers: {} }])
      const { id } = await untilListed('the dead letter', '--checkout', checkoutId)
      const { exitCode, stdout, stderr } = await command('redrive', id, '--execute')
      deepEqual([exitCode, stdout], [1, 'There is nothing to redrive.\n'])
      match(stderr, /is left: no service could read it \(not_a_cloud_event\)/)
    })

    it('is told where a message lies that was as large as a topic takes', async () => {
      const checkoutId = randomUUID()
      const bytes = 1_048_588 - 200 // the broker's message.max.bytes, less what a batch of one needs
      await send([{ topic: 'orders', key: checkoutId, value: 'x'.repeat(bytes), headers: {} }])
      const letter = await untilListed('the dead letter', '--checkout', checkoutId)
      equal(letter.leftAtOrigin, bytes)
    })

    describe('a checkout whose payment meets a defect', () => {
      let accepted: Accepted
      let letter: z.infer<typeof listed>['deadLetters'][number]
      let view: CheckoutView
      let spans: TraceSpan[]

      before(async () => {
        const release = startDefectiveRelease()
        try {
          accepted = await place()
          letter = await untilListed('the dead letter', '--checkout', accepted.checkoutId)
        } finally {
          await release.stop(15_000)
        }
        await services.up('payments')
      })

      it('is listed with its origin, its error, its attempts and its trace', () => {
        const { topic, partition, offset } = letter.origin
        equal(letter.id, `sagascope-payments/${topic}/${partition}/${offset}`)
        deepEqual(
          [topic, letter.consumerGroup, letter.errorCode, letter.attempts, letter.copies, letter.redrives],
          ['orders', 'sagascope-payments', 'TypeError', 5, 1, []],
        )
        equal(letter.eventId, `orders/${accepted.checkoutId}@1/0`)
        equal(letter.failedIn?.traceId, accepted.traceId)
        equal(letter.sentIn?.traceId, accepted.traceId)
      })

      it('is shown, and what it holds only when that is asked for', async () => {
        const shown = await command('show', letter.id)
        equal(shown.exitCode, 0)
        match(shown.stdout, /error {7}TypeError: Cannot read properties of undefined/)
        match(shown.stdout, new RegExp(`npm run follow -- ${accepted.checkoutId}`))
        doesNotMatch(shown.stdout, /tok_visa/)
        match((await command('show', letter.id, '--payload')).stdout, /"token":"tok_visa"/)
      })

      it('stays as it is in a dry run', async () => {
        const { exitCode, stdout } = await command('redrive', letter.id)
        equal(exitCode, 0)
        match(stdout, /Nothing was sent: 1 dead letter would be/)
        deepEqual((await list('--checkout', accepted.checkoutId))[0]?.redrives, [])
      })

      it('completes when it is redriven, and is listed as redriven', async () => {
        const { exitCode, stdout, stderr } = await command('redrive', letter.id, '--execute')
        equal(exitCode, 0, stderr)
        match(stdout, /1 of 1 dead letter sent/)
        view = await untilEnded(services.gatewayUrl, accepted.checkoutId)
        equal(view.status, 'completed')
        deepEqual(
          view.steps.map(({ type }) => type),
          [
            'CheckoutRequested',
            'UserRegistered',
            'OrderPlaced',
            'PaymentCaptured',
            'OrderConfirmed',
            'CheckoutCompleted',
          ],
        )
        equal((await list('--checkout', accepted.checkoutId))[0]?.redrives.length, 1)
      })

      it('goes on in a trace that links to the failure and to the first sender', async () => {
        spans = await eventually('the redrive and what followed in Jaeger', async () => {
          const found = await findTracesOfSaga(stack.urls.jaegerUrl, accepted.checkoutId)
          const isThere = (service: string, name: string) =>
            found.some((each) => each.service === service && each.name === name)
          return isThere('dead-letters', 'redrive dead letter') && isThere('checkout', 'send checkouts')
            ? found
            : undefined
        })
        const redrive = spans.find(({ name }) => name === 'redrive dead letter')
        ok(redrive)
        equal(redrive.parentSpanId, undefined)
        ok(redrive.traceId !== accepted.traceId)
        deepEqual(
          redrive.links.map(({ traceId, spanId }) => [traceId, spanId]),
          [letter.failedIn, letter.sentIn].map((each) => [each?.traceId, each?.spanId]),
        )
        equal(redrive.attributes['dead_letter.id'], letter.id)

        const [failure, sender] = redrive.links.map((link) =>
          spans.find(({ spanId }) => spanId === link.spanId),
        )
        deepEqual([failure?.service, failure?.name, failure?.failed], ['payments', 'process orders', true])
        deepEqual([sender?.service, sender?.name], ['orders', 'send orders'])

        const sent = spans.find(
          ({ parentSpanId, name }) => parentSpanId === redrive.spanId && name === 'send orders',
        )
        const captured = spans.find(
          ({ traceId, service, name }) =>
            traceId === redrive.traceId && service === 'payments' && name === 'process orders',
        )
        equal(captured?.parentSpanId, sent?.spanId)
        equal(captured?.failed, false)
      })

      it('leaves the spans of the telemetry contract, and none of whoever only looked at it', () => {
        const ofContract = new Set(spanContract.map(({ service, name }) => `${service} ${name}`))
        const besides = spans.filter(({ service, name }) => !ofContract.has(`${service} ${name}`))
        const described = ({ service, kind, name }: Pick<TraceSpan, 'service' | 'kind' | 'name'>) =>
          `${service} ${kind} ${name}`
        deepEqual([...new Set(besides.map(described))].sort(), redriveContract.map(described).sort())
        for (const each of besides) {
          const row = redriveContract.find(
            ({ service, name }) => each.service === service && each.name === name,
          )
          const missing = ['saga.id', ...(row?.attributes ?? [])].filter((name) => !(name in each.attributes))
          deepEqual(missing, [], described(each))
        }
      })

      it('is followed across the traces of both', async () => {
        const commandLine = ['infra/verify/follow.ts', accepted.checkoutId, '--gateway', services.gatewayUrl]
        const env = { ...process.env, ...serviceEnvironment(stack) }
        const stdout = await new Promise<string>((resolve) => {
          execFile(process.execPath, commandLine, { cwd: repository, env }, (_error, output) =>
            resolve(output),
          )
        })
        match(stdout, /span +dead-letters +\w+ +redrive dead letter/)
        for (const traceId of new Set(spans.map((each) => each.traceId))) match(stdout, new RegExp(traceId))
      })

      it('is not changed by a second redrive: the inbox knows the message', async () => {
        const { exitCode, stderr } = await command('redrive', letter.id, '--execute')
        equal(exitCode, 0, stderr)
        await eventually('both redrives handled', async () => {
          const found = await findTracesOfSaga(stack.urls.jaegerUrl, accepted.checkoutId)
          const redriven = new Set(
            found.filter(({ name }) => name === 'redrive dead letter').map(({ traceId }) => traceId),
          )
          const handled = found.filter(
            ({ traceId, service, kind }) =>
              redriven.has(traceId) && service === 'payments' && kind === 'consumer',
          )
          return redriven.size === 2 && new Set(handled.map(({ traceId }) => traceId)).size === 2
            ? true
            : undefined
        })
        const after = await untilEnded(services.gatewayUrl, accepted.checkoutId)
        deepEqual(after.steps, view.steps)
        deepEqual(await ledgerOf(accepted.checkoutId), ['captured'])
        equal((await list('--checkout', accepted.checkoutId))[0]?.redrives.length, 2)
      })

      it('is not redriven again by --all', async () => {
        const { exitCode, stdout } = await command(
          'redrive',
          '--all',
          '--checkout',
          accepted.checkoutId,
          '--execute',
        )
        deepEqual([exitCode, stdout], [0, 'There is nothing to redrive.\n'])
      })
    })
  })

  describe('without Kafka', () => {
    it('says where it was looked for, and does not wait for long', async () => {
      const { exitCode, stdout, stderr, tookMillis } = await withoutKafka
      deepEqual([exitCode, stdout], [3, ''])
      match(stderr, /^Kafka does not answer at 127\.0\.0\.1:1: .*KAFKA_BROKERS says where it is\.\n$/)
      ok(tookMillis < 25_000)
    })
  })
})
