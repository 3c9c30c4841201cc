/**
 * The processes that the tests start, some hundreds, compile the same files: they share what comes of it, which lies beside
 * the servers. Loaded by .mocharc.json, before any test. https://nodejs.org/api/module.html#module-compile-cache
 */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { cacheDirectory } from '../native/cache-directory.ts'

process.env.NODE_COMPILE_CACHE ??= join(cacheDirectory(process.env), 'compiled')
enableCompileCache(process.env.NODE_COMPILE_CACHE)
