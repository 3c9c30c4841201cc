/**
 * Puts messages of several partitions in one line, as they might have been sent: the order of each partition is kept,
 * no event comes before the one that it answers, and otherwise the older comes first.
 */
import type { ChosenMessage } from './chosen.ts'
import { causesAmong } from './causes.ts'

/** @param messages those of one partition in its order */
export function inCausalOrder(messages: readonly ChosenMessage[]): ChosenMessage[] {
  const causes = causesAmong(messages.map(({ recorded }) => recorded))
  const byPartition = Map.groupBy(messages, ({ message }) => `${message.topic}/${message.partition}`)
  const partitions = [...byPartition.values()].map((line) => ({ line, next: 0 }))
  const placed = new Set<string>()
  const isDue = ({ recorded: { id } }: ChosenMessage): boolean => {
    const cause = causes.get(id)
    return cause === undefined || placed.has(cause)
  }

  const ordered: ChosenMessage[] = []
  while (ordered.length < messages.length) {
    const heads = partitions.flatMap((partition) => {
      const head = partition.line[partition.next]
      return head ? [{ partition, head, timeMillis: Date.parse(head.recorded.time) }] : []
    })
    // None is due when a partition has them the wrong way round; then it stays as it is.
    const due = heads.filter(({ head }) => isDue(head))
    const candidates = due.length > 0 ? due : heads
    const [first, ...others] = candidates
    if (!first) break
    const oldest = others.reduce((a, b) => (b.timeMillis < a.timeMillis ? b : a), first)
    oldest.partition.next += 1
    placed.add(oldest.head.recorded.id)
    ordered.push(oldest.head)
  }
  return ordered
}
