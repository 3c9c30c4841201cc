import { equal, deepEqual, match, rejects, throws } from 'node:assert/strict'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { pickFreePorts, portNames, readPorts, requireFreePorts } from './ports.ts'

describe('the ports', () => {
  it('are the usual ones unless the environment says otherwise', () => {
    equal(readPorts({}).kafka, 9092)
    deepEqual(readPorts({ KAFKA_PORT: '19092' }), { ...readPorts({}), kafka: 19_092 })
  })

  it('treat an empty variable as not set', () => {
    equal(readPorts({ KAFKA_PORT: '' }).kafka, 9092)
  })

  for (const value of ['kafka', '0', '65536', '-1', '9092.5', '1e3', ' 9092']) {
    it(`refuse "${value}", naming variable and value`, () => {
      throws(() => readPorts({ KAFKA_PORT: value }), { message: new RegExp(`KAFKA_PORT="${value}"`) })
    })
  }

  it('refuse one number for two servers, naming both variables', () => {
    throws(() => readPorts({ JAEGER_PORT: '9090' }), /JAEGER_PORT and PROMETHEUS_PORT are both 9090/)
  })

  it('name all bad values at once', () => {
    throws(() => readPorts({ KAFKA_PORT: 'a', JAEGER_PORT: 'b' }), /KAFKA_PORT="a"[^]*JAEGER_PORT="b"/)
  })

  it('are all different when free ones are picked, also for two stacks', async () => {
    const picked = [...Object.values(await pickFreePorts()), ...Object.values(await pickFreePorts())]
    equal(new Set(picked).size, 2 * portNames.length)
  })
})

describe('a port that is taken', () => {
  let holder: Server
  let port: number

  before((done) => {
    holder = createServer().listen(0, '127.0.0.1', () => {
      port = (holder.address() as AddressInfo).port
      done()
    })
  })
  after((done) => {
    holder.close(done)
  })

  it('is named with its holder and with the variable that moves it', async () => {
    const ports = { ...(await pickFreePorts()), kafka: port }
    await rejects(requireFreePorts(ports, portNames), (error: Error) => {
      match(error.message, new RegExp(`port ${port} \\(Kafka\\) is taken by pid ${process.pid} \\(`))
      match(error.message, /set KAFKA_PORT to move it/)
      equal(error.message.split('\n').length, 1)
      return true
    })
  })

  it('is nobody’s business when it is not wanted', async () => {
    const ports = { ...(await pickFreePorts()), gateway: port }
    await requireFreePorts(ports, ['kafka', 'mongodb'])
  })

  it('is noticed when it is held on all addresses', async () => {
    const everywhere = createServer()
    await new Promise<void>((resolve) => everywhere.listen(0, resolve))
    const taken = (everywhere.address() as AddressInfo).port
    try {
      await rejects(
        requireFreePorts({ ...(await pickFreePorts()), jaeger: taken }, ['jaeger']),
        /JAEGER_PORT/,
      )
    } finally {
      everywhere.close()
    }
  })
})
