/** How long anything about Kafka may take, all in one place because they depend on each other. In milliseconds. */
export interface KafkaTimings {
  /**
   * A member of a group that the broker has not heard of for so long is taken for dead: this is how long the
   * partitions of a process ended by SIGKILL lie still. Kafka's own clients waited 10 s until version 3.0 and wait
   * 45 s now, so as to sit out a network's troubles; here a partition lost by mistake costs a few messages delivered
   * again, found done in the store, and a checkout that stands still costs its customer. Less than 6 s the broker
   * refuses (`group.min.session.timeout.ms`). Heartbeats go out at a third of it.
   */
  readonly sessionTimeoutMillis: number
  /** How long the others wait, when the group is divided anew, for a member whose handler does not let go. */
  readonly rebalanceTimeoutMillis: number
  /** A connection that is not there by then is given up. kafkajs's own second is short for TLS on a busy machine. */
  readonly connectionTimeoutMillis: number
  /** A request without an answer by then is given up, and so are the sockets to that broker. */
  readonly requestTimeoutMillis: number
  /** A send fails then, whatever has been tried. Shorter than `handlerTimeoutMillis`: it waits inside handlers. */
  readonly sendDeadlineMillis: number
  /** A handler that has neither ended nor tried again for so long hangs, and its process is to be ended. */
  readonly handlerTimeoutMillis: number
  /**
   * A consumer that was a member of its group, has no message in hand and has neither fetched nor handled one
   * for so long will not come back by itself: its process is to be ended. Long enough for a broker to restart.
   */
  readonly stallLimitMillis: number
  /** When a consumer stops: how long messages in hand may take. What is not done then is delivered again. */
  readonly drainMillis: number
  /** When a client stops: how long its last requests may take. Then its sockets are closed. */
  readonly closeMillis: number
}

export const defaultTimings: KafkaTimings = {
  sessionTimeoutMillis: 10_000,
  rebalanceTimeoutMillis: 30_000,
  connectionTimeoutMillis: 3_000,
  requestTimeoutMillis: 10_000,
  sendDeadlineMillis: 30_000,
  handlerTimeoutMillis: 60_000,
  stallLimitMillis: 120_000,
  drainMillis: 5_000,
  closeMillis: 1_500,
}
