import { deepEqual, equal, ok } from 'node:assert/strict'
import { ConsumerWatch } from './consumer-watch.ts'
import { incoming } from './handling-for-tests.ts'

const checkoutId = '0d5c1f6e-6c0b-4a7e-9a51-0f2f0a4c9f11'

/** One that lets time pass in steps, as its timer does. */
class TestedWatch extends ConsumerWatch {
  constructor() {
    super({ sessionTimeoutMillis: 10, handlerTimeoutMillis: 60, stallLimitMillis: 120 }, 2)
  }

  /** @returns what it has found, and after how long */
  pass(millis: number) {
    for (let passed = 1; passed <= millis; passed++) {
      const stall = this.tick(1)
      if (stall) return { code: stall.code, afterMillis: passed, place: stall.place }
    }
    return undefined
  }
}

describe('the watch over a consumer', () => {
  const member = (): TestedWatch => {
    const watch = new TestedWatch()
    watch.joined()
    return watch
  }

  it('is not ready before it is a member, and waits for that as long as it takes', () => {
    const watch = new TestedWatch()
    ok(!watch.isReady)
    equal(watch.pass(10_000), undefined)
    watch.joined()
    ok(watch.isReady)
  })

  it('is ready while it fetches', () => {
    const watch = member()
    for (let fetch = 0; fetch < 100; fetch++) {
      watch.pass(5)
      watch.fetched()
      ok(watch.isReady)
    }
  })

  it('is not ready once a session has passed without a fetch, and ends in the end', () => {
    const watch = member()
    equal(watch.pass(10), undefined)
    ok(!watch.isReady)
    equal(watch.pass(200)?.afterMillis, 110)
  })

  it('is not ready when it has lost its membership, and ends when it does not get anywhere again', () => {
    const watch = member()
    watch.left()
    ok(!watch.isReady)
    watch.pass(60)
    watch.joined() // to join and to crash by turns is to get nowhere
    watch.left()
    equal(watch.pass(200)?.code, 'consumer_silent')
  })

  it('finds a message that fails for ever, however often it is fetched and the group joined', () => {
    const watch = member()
    let found: ReturnType<TestedWatch['pass']>
    let failures = 0
    for (; !found && failures < 1_000; failures++) {
      watch.fetched()
      const handling = watch.began(incoming())
      watch.pass(3)
      handling.failed()
      if (failures % 12 === 11) {
        watch.left()
        watch.joined()
      }
      found = watch.pass(2)
    }
    equal(found?.code, 'consumer_silent')
    ok(failures > 10)
  })

  it('forgets failures once a message is handled, or there is none left to fail', () => {
    const watch = member()
    watch.began(incoming()).failed()
    watch.pass(100)
    watch.fetched()
    watch.fetched()
    equal(watch.pass(100), undefined)
    watch.began(incoming()).failed()
    watch.began(incoming()).handled()
    equal(watch.pass(100), undefined)
  })

  it('finds a handler that hangs, and says where its message lies and whose it is, nothing else', () => {
    const watch = member()
    watch.began(incoming({ headers: { ce_subject: checkoutId }, value: Buffer.from('secret') }))
    equal(watch.pass(59), undefined)
    equal(watch.longestSilenceMillis, 59)
    ok(watch.isReady)
    const found = watch.pass(10)
    equal(found?.code, 'handler_hung')
    deepEqual(found.place, { topic: 'orders', partition: 3, offset: '42', 'saga.id': checkoutId })
    ok(!watch.isReady)
  })

  it('says it once', () => {
    const watch = member()
    watch.began(incoming())
    ok(watch.pass(60))
    equal(watch.pass(1_000), undefined)
  })

  it('lets a handler that tries again do so for as long as it takes', () => {
    const watch = member()
    const handling = watch.began(incoming())
    for (let attempt = 0; attempt < 100; attempt++) {
      equal(watch.pass(50), undefined)
      handling.tried()
    }
    ok(watch.isReady) // no fetch is to be expected of it
    handling.failed() // the group has moved on
    equal(watch.pass(100), undefined)
  })

  it('watches each of several handlers', () => {
    const watch = member()
    const [first, second] = [watch.began(incoming({ partition: 1 })), watch.began(incoming({ partition: 2 }))]
    watch.pass(40)
    first.handled()
    watch.began(incoming({ partition: 1 }))
    equal(watch.pass(40)?.place.partition, 2)
    second.handled()
  })

  it('does not count time for which the process itself stood still', () => {
    const watch = member()
    watch.began(incoming())
    equal(watch.tick(1_000_000), undefined)
    equal(watch.longestSilenceMillis, 2)
  })
})
