import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GatewayForTests } from './gateway-for-tests.ts'
import { gatewayForTests } from './gateway-for-tests.ts'
import { loadResult, readLoadResult } from './load-result.ts'
import type { LoadOptions } from './run-load.ts'

const program = fileURLToPath(new URL('load.ts', import.meta.url))

interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** @param onProgress called with what it writes to standard error */
function load(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  onProgress: (text: string, child: ChildProcess) => void = () => undefined,
): Promise<Ran> {
  const env = { ...process.env, GATEWAY_URL: '', KAFKA_BROKERS: '', ...environment }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
      resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr })
    })
    child.stderr?.on('data', (text) => onProgress(String(text), child))
  })
}

describe('npm run load, without a system', function () {
  this.timeout(30_000)

  let gateway: GatewayForTests
  let folder: string
  // Whoever looks for a Kafka that is away does so for some seconds, which the others need not wait for.
  let gatewayOfDeaf: GatewayForTests
  let gatewayOfInterrupted: GatewayForTests
  let deaf: Promise<Ran>
  let interrupted: Promise<Ran>
  before(async () => {
    gateway = await gatewayForTests()
    gatewayOfDeaf = await gatewayForTests()
    gatewayOfInterrupted = await gatewayForTests()
    folder = mkdtempSync(join(tmpdir(), 'sagascope-load-test-'))
    deaf = load(['--gateway', gatewayOfDeaf.url, '--end-by', 'kafka'], { KAFKA_BROKERS: '127.0.0.1:1' })
    interrupted = loadUntilInterrupted()
  })
  after(async () => {
    rmSync(folder, { recursive: true })
    await Promise.all([gateway, gatewayOfDeaf, gatewayOfInterrupted].map((each) => each.close()))
  })

  function loadUntilInterrupted(): Promise<Ran> {
    const args = [
      ...['--gateway', gatewayOfInterrupted.url, '--rate', '10', '--duration', '5m'],
      ...['--mix', 'completed=1', '--out', join(folder, 'interrupted')],
    ]
    let signals = 0
    return load(args, { KAFKA_BROKERS: '127.0.0.1:1' }, (progress, child) => {
      // Twice, as npm does it.
      for (; / 2 s {2}\d+\/3000 /.test(progress) && signals < 2; signals++) child.kill('SIGINT')
    })
  }

  it('says how it is used, and what it did not understand', async () => {
    const [help, strange, misled] = await Promise.all([
      load(['--help']),
      load(['--mix', 'eaten=1']),
      load(['--gateway', gateway.url], { KAFKA_BROKERS: 'nowhere' }),
    ])
    equal(help.exitCode, 0)
    match(help.stdout, /npm run load -- \[options\]/)
    deepEqual([strange.exitCode, strange.stdout], [2, ''])
    match(strange.stderr, /"eaten", which is no kind.*\nnpm run load -- --help tells more\./)
    equal(misled.exitCode, 2)
    match(misled.stderr, /^KAFKA_BROKERS: "nowhere" is refused/)
  })

  it('sends nothing in a dry run, and says what it would do', async () => {
    const { exitCode, stdout } = await load([
      ...['--gateway', gateway.url, '--dry-run', '--ramp', '20:10s,20:10s', '--mix', 'completed=3,slow=1'],
    ])
    equal(exitCode, 0)
    match(stdout, /^300 checkouts in 20 s to http:.* up to 20 a second, uniform arrivals$/m)
    match(stdout, /^ {2}about 75 slow: the payment is captured late; completed$/m)
    match(stdout, /^Nothing was sent: this is a dry run\.$/m)
    const asJson = await load(['--gateway', gateway.url, '--dry-run', '--json', '--rate', '7'])
    const { dryRun, load: planned } = JSON.parse(asJson.stdout) as { dryRun: boolean; load: LoadOptions }
    deepEqual([dryRun, planned.gatewayUrl, planned.startRatePerSecond], [true, gateway.url, 7])
    match(asJson.stderr, /^Nothing was sent: this is a dry run\.$/m)
    equal(gateway.requests.length, 0)
  })

  it('writes a result and a page, and gives the result as JSON', async () => {
    const out = join(folder, 'new', 'folder')
    const { exitCode, stdout, stderr } = await load([
      ...['--gateway', gateway.url, '--end-by', 'gateway', '--rate', '20', '--total', '10'],
      ...['--mix', 'completed=1', '--out', out, '--json'],
    ])
    equal(exitCode, 0, stderr)
    deepEqual(loadResult.parse(JSON.parse(stdout)), readLoadResult(join(out, 'load.json')))
    deepEqual(readdirSync(out).sort(), ['load.html', 'load.json'])
    equal(gateway.requests.length, 10)
  })

  it('says when a threshold is exceeded', async () => {
    const { exitCode, stdout } = await load([
      ...[
        '--gateway',
        gateway.url,
        '--end-by',
        'gateway',
        '--rate',
        '20',
        '--total',
        '5',
        '--max-p99',
        '1ms',
      ],
      ...['--mix', 'completed=1', '--out', join(folder, 'threshold')],
    ])
    equal(exitCode, 1)
    match(stdout, /^FAILED: p99 to the end is .*, above 1\.0 ms\.$/m)
  })

  it('says where the gateway or Kafka is not', async () => {
    const away = await load([], { GATEWAY_URL: 'http://127.0.0.1:1' })
    const { exitCode, stderr } = await deaf
    deepEqual([away.exitCode, exitCode], [3, 3])
    match(away.stderr, /^The gateway does not answer at http:\/\/127\.0\.0\.1:1: ECONNREFUSED\. --gateway or/)
    match(stderr, /^Kafka does not answer at 127\.0\.0\.1:1.*--end-by gateway does without it\./)
    equal(gatewayOfDeaf.requests.length, 0)
  })

  it('does without Kafka; ends its arrivals on Ctrl-C, waits for what is under way, and writes what it has', async () => {
    const { exitCode, stderr } = await interrupted
    match(stderr, /Kafka does not answer at 127\.0\.0\.1:1: .*The gateway is asked instead/)
    match(stderr, /No more arrivals; waiting for what is under way/)
    equal(exitCode, 130)
    const { interrupted: isInterrupted, tally } = readLoadResult(join(folder, 'interrupted', 'load.json'))
    deepEqual([isInterrupted, tally.open, tally.accepted], [true, 0, tally.arrived])
    ok(tally.arrived >= 10 && tally.arrived < 100, `${tally.arrived}`)
  })
})
