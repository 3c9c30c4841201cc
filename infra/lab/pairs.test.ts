import { deepEqual } from 'node:assert/strict'
import { measurePair } from './pairs.ts'

describe('a pair', () => {
  it('is measured one after the other, with each pair in the other order, and says which came first', async () => {
    const measured: string[] = []
    const measure = async (side: 'arm' | 'against') => {
      measured.push(`${side} begins`)
      await new Promise((resolve) => setImmediate(resolve))
      measured.push(`${side} ends`)
      return side.length
    }
    const sides = ['arm', 'against'] as const
    deepEqual(
      [await measurePair(0, sides, measure), await measurePair(1, sides, measure)],
      [
        { first: 'arm', arm: 3, against: 7 },
        { first: 'against', arm: 3, against: 7 },
      ],
    )
    const [arm, against] = [
      ['arm begins', 'arm ends'],
      ['against begins', 'against ends'],
    ]
    deepEqual(measured, [arm, against, against, arm].flat())
  })
})
