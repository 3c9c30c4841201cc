/** What is chosen to be replayed, taken from the topics one by one: each event once, in the order of each partition. */
import type { RecordedEvent } from '../../shared/saga/events.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { fromMessage, PoisonMessage } from '../../shared/kafka/cloud-events.ts'
import { placeOf } from '../../shared/kafka/replay-headers.ts'
import { checkoutNamedBy } from '../../shared/kafka/public-names.ts'

export interface ChosenMessage {
  readonly message: IncomingMessage
  readonly recorded: RecordedEvent
}

/** What is not replayed, and why. */
export interface LeftOut {
  /** Sent once more by a sweep, a redrive or an earlier replay. */
  copies: number
  /** What no service could read; `<topic>/<partition>/<offset>` of each. */
  unreadable: string[]
  /** The same id with other content: written by two systems, or forged. The first counts. */
  conflicting: string[]
}

export class Chosen {
  readonly #byId = new Map<string, ChosenMessage>()
  readonly #checkoutId: string | undefined
  readonly leftOut: LeftOut = { copies: 0, unreadable: [], conflicting: [] }

  /** @param checkoutId only what is about this one; everything unless given */
  constructor(checkoutId?: string) {
    this.#checkoutId = checkoutId
  }

  add(message: IncomingMessage): void {
    if (this.#checkoutId !== undefined && checkoutNamedBy(message) !== this.#checkoutId) return
    const recorded = read(message)
    if (!recorded) {
      this.leftOut.unreadable.push(placeOf(message))
      return
    }
    const earlier = this.#byId.get(recorded.id)
    if (!earlier) {
      this.#byId.set(recorded.id, { message, recorded })
    } else if (isSame(earlier.message, message)) {
      this.leftOut.copies += 1
    } else {
      this.leftOut.conflicting.push(placeOf(message))
    }
  }

  get messages(): readonly ChosenMessage[] {
    return [...this.#byId.values()]
  }
}

const isSame = (one: IncomingMessage, other: IncomingMessage): boolean =>
  one.headers.ce_type === other.headers.ce_type &&
  one.key === other.key &&
  one.value !== null &&
  other.value !== null &&
  one.value.equals(other.value)

function read(message: IncomingMessage): RecordedEvent | undefined {
  try {
    return fromMessage(message)
  } catch (error) {
    if (error instanceof PoisonMessage) return undefined
    throw error
  }
}
