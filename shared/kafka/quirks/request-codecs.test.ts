import { deepEqual, ok } from 'node:assert/strict'
import Module, { createRequire } from 'node:module'
import './request-codecs.ts'

type Codecs = (request: object) => { request: object; response: object }
const requireHere = createRequire(import.meta.url)
const { protocol } = requireHere('kafkajs/src/protocol/requests/fetch') as {
  protocol: (about: { version: number }) => Codecs
}

describe('the codecs of kafkajs', () => {
  it('are required once, and not with every request', () => {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this`
    const { require: original } = Module.prototype
    const required: string[] = []
    Module.prototype.require = function (this: NodeJS.Module, id: string): unknown {
      required.push(id)
      return original.call(this, id) as unknown
    } as NodeJS.Require
    try {
      const encode = protocol({ version: 9 })
      const first = encode({ topics: [] })
      ok(['./v9/request', './v9/response'].every((codec) => required.includes(codec)))
      required.length = 0
      const second = encode({ topics: [] })
      deepEqual(required, [])
      ok(first.request !== second.request)
    } finally {
      Module.prototype.require = original
    }
  })
})
