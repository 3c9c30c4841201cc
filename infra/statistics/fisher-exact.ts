/** Whether a share differs between two groups: Fisher's exact test, two-sided. */

const logFactorials = [0]

function logFactorial(n: number): number {
  for (let next = logFactorials.length; next <= n; next++) {
    logFactorials.push((logFactorials[next - 1] ?? 0) + Math.log(next))
  }
  return logFactorials[n] ?? NaN
}

const logChoose = (n: number, k: number): number => logFactorial(n) - logFactorial(k) - logFactorial(n - k)

/**
 * How probable a table at least as uneven is, when both groups are alike.
 * @param hitsA so many of `ofA`, @param hitsB so many of `ofB`
 */
export function fisherExact(hitsA: number, ofA: number, hitsB: number, ofB: number): number {
  const hits = hitsA + hitsB
  const logTotal = logChoose(ofA + ofB, hits)
  const probability = (x: number): number => Math.exp(logChoose(ofA, x) + logChoose(ofB, hits - x) - logTotal)
  // Tables that are equally probable differ by rounding.
  const limit = probability(hitsA) * (1 + 1e-7)
  let sum = 0
  for (let x = Math.max(0, hits - ofB); x <= Math.min(ofA, hits); x++) {
    if (probability(x) <= limit) sum += probability(x)
  }
  return Math.min(1, sum)
}
