import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dropBadSettings } from '../../../shared/telemetry/settings.ts'
import { arms, armNamed } from './arms.ts'

const inRepository = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname

describe('the arms of the lab', () => {
  it('have names of their own, fit for files and command lines', () => {
    equal(new Set(arms.map(({ name }) => name)).size, arms.length)
    for (const { name } of arms) match(name, /^[a-z0-9-]+$/)
  })

  it('say in one sentence what they are', () => {
    for (const { name, what } of arms) match(what, /^[^.\n]{10,120}$/u, name)
  })

  it('are compared with an arm that there is, which is itself compared with nothing further away', () => {
    for (const { name, against } of arms) {
      const baseline = armNamed(against)
      ok(baseline.against === baseline.name || baseline.against === 'off', name)
    }
    throws(() => armNamed('on'), /there is no arm on; there are off, /)
  })

  it('load modules that there are', () => {
    for (const { name, register, sdkTrace } of arms) {
      for (const path of [register, sdkTrace]) {
        if (path?.startsWith('./')) ok(existsSync(inRepository(path)), `${name}: ${path}`)
        else if (path !== undefined) ok(import.meta.resolve(path), `${name}: ${path}`)
      }
    }
  })

  it('add overlays to the Collector that it has', () => {
    for (const { name, collectorOverlays = [], receiver } of arms) {
      for (const overlay of collectorOverlays) {
        equal(receiver, 'collector', name)
        ok(existsSync(inRepository(`infra/collector/${overlay}`)), `${name}: ${overlay}`)
      }
    }
  })

  it('set nothing that telemetry would drop as a bad setting', () => {
    for (const { name, environment } of arms) {
      const kept = { ...environment }
      dropBadSettings(kept, () => undefined)
      deepEqual(kept, environment, name)
    }
  })

  it('differ from what they are compared with, but for the control', () => {
    const alike = arms.filter((arm) => {
      const baseline = armNamed(arm.against)
      const run = ({ chain, register, environment, nodeFlags, collectorOverlays }: typeof arm) =>
        JSON.stringify([chain, register, environment, nodeFlags, collectorOverlays])
      return arm !== baseline && run(arm) === run(baseline)
    })
    deepEqual(
      alike.map(({ name }) => name),
      ['off-again'],
    )
  })

  it('that only see what others are to be compared with are telemetry off and the bare chain', () => {
    deepEqual(
      arms.filter(({ name, against }) => name === against).map(({ name }) => name),
      ['off', 'bare-chain'],
    )
  })
})
