/**
 * What its documentation has anybody do who wants telemetry without a line of code: all instrumentations but two, all
 * resource detectors, everything by default. The hook is what it asks of services that are ES modules.
 * See https://github.com/open-telemetry/opentelemetry-js/blob/main/doc/esm-support.md
 */
import { register } from 'node:module'
import { basename, dirname } from 'node:path'

process.env.OTEL_SERVICE_NAME ??= basename(dirname(process.argv[1] ?? 'sagascope/'))
// eslint-disable-next-line @typescript-eslint/no-deprecated -- as documented
register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)
await import('@opentelemetry/auto-instrumentations-node/register')
