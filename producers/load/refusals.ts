/** What a refusal means, and which variable of the gateway lifts it: shared/process/config.ts. */

export const reasonsForRefusals: Readonly<Record<string, string>> = {
  'rate_limited/caller':
    'All of this load comes from one address, so the gateway takes it for one caller: RATE_LIMIT_PER_CALLER is how many requests it takes of one in 10 s.',
  'rate_limited/overall': 'RATE_LIMIT_OVERALL is how many requests one gateway takes of all callers in 10 s.',
  rate_limited: 'RATE_LIMIT_PER_CALLER and RATE_LIMIT_OVERALL are how many requests a gateway takes in 10 s.',
  overloaded:
    'The store was slower than the arrivals: GATEWAY_UNDER_WAY_LIMIT is how many requests may wait for it at once.',
  backlog_full:
    'Kafka took less than was accepted: GATEWAY_BACKLOG_LIMIT and GATEWAY_BACKLOG_AGE_LIMIT_MILLIS are how much may wait for it, and for how long.',
  store_unavailable:
    'The store did not answer in time; GATEWAY_STORE_TIMEOUT_MILLIS is how long a request waits for it.',
  outcome_unknown:
    'The store did not say in time whether it has the request, which may be a checkout all the same; GATEWAY_STORE_TIMEOUT_MILLIS is how long a request waits for it.',
}

export const reasonsForFailures: Readonly<Record<string, string>> = {
  timeout: 'No answer within --timeout. Some of these may be checkouts all the same.',
  ECONNRESET:
    'The connection was closed. A gateway does that beyond GATEWAY_CONNECTIONS_PER_CALLER_LIMIT and GATEWAY_CONNECTIONS_LIMIT, and when it ends.',
  ECONNREFUSED: 'Nobody listened at the gateway.',
  EMFILE: 'This tool may not open so many connections: ulimit -n.',
  unreadable: 'What came was no answer of the gateway.',
}
