/** What a message that is replayed says about itself, in headers beside its own. */
import type { IncomingMessage } from './cloud-events.ts'

export type ReplayHeader =
  /** `<topic>/<partition>/<offset>`: the message that this one repeats. */
  | 'replay-of'
  /** The producer span of that message. */
  | 'replay-origin-traceparent'

export const placeOf = ({
  topic,
  partition,
  offset,
}: Pick<IncomingMessage, 'topic' | 'partition' | 'offset'>): string => `${topic}/${partition}/${offset}`
