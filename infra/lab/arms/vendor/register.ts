/**
 * The vendor's library by its own defaults, as it asks services that are ES modules to load it:
 * https://docs.datadoghq.com/tracing/trace_collection/automatic_instrumentation/dd_libraries/nodejs/
 *
 * dd-trace and not elastic-apm-node, which knows neither bunyan nor a @koa/router as new as ours: requests would all be
 * one operation, and log lines would lead nowhere.
 */
import { basename, dirname } from 'node:path'

process.env.DD_SERVICE ??= basename(dirname(process.argv[1] ?? 'sagascope/'))
// @ts-expect-error -- it comes without types
await import('dd-trace/initialize.mjs')
