import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'

/**
 * Where downloads and builds are kept between runs: $SAGASCOPE_CACHE, else $XDG_CACHE_HOME/sagascope
 * (a relative value is ignored, as the XDG Base Directory Specification asks), else ~/.cache/sagascope.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv, home: string = homedir()): string {
  if (environment.SAGASCOPE_CACHE) return resolve(environment.SAGASCOPE_CACHE)
  const xdg = environment.XDG_CACHE_HOME
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.cache'), 'sagascope')
}

/**
 * The cache folder for what must run as another user than root. Root's home is usually closed to others,
 * and a program under it could then not be read by the user that it runs as.
 */
export function publicCacheDirectory(cache: string): string {
  mkdirSync(cache, { recursive: true })
  if (isReachableByAll(cache)) return cache
  const fallback = '/var/cache/sagascope'
  mkdirSync(fallback, { recursive: true })
  chmodSync(fallback, 0o755) // whatever root's umask is
  return fallback
}

const searchableByOthers = 0o001

/** Whether every user may pass through this folder and all the folders above it. */
export function isReachableByAll(folder: string): boolean {
  if ((statSync(folder).mode & searchableByOthers) === 0) return false
  return dirname(folder) === folder || isReachableByAll(dirname(folder))
}
