/**
 * kafkajs 2.2.4 requires the codec of a request anew each time that it sends one. That is half a microsecond by itself; where
 * instrumentations have hooked `require` it is a resolution of the path through each hook, some twenty times as much, for
 * every fetch and every message that is sent. Remember what was required.
 */
import { createRequire } from 'node:module'
import 'kafkajs'

/** Private modules of kafkajs: the version is pinned, and the test would notice if they changed. */
const isRequest = (file: string): boolean =>
  /[\\/]kafkajs[\\/]src[\\/]protocol[\\/]requests[\\/]\w+[\\/]index\.js$/.test(file)

type Loader = (this: NodeJS.Module, id: string) => unknown

for (const loaded of Object.values(createRequire(import.meta.url).cache)) {
  if (loaded && isRequest(loaded.filename)) remember(loaded)
}

function remember(module: NodeJS.Module): void {
  const known = new Map<string, unknown>()
  module.require = function (this: NodeJS.Module, id: string) {
    // Of its prototype as it is then: what hooks it later is asked as well, once.
    const { require: load } = Object.getPrototypeOf(module) as { require: Loader }
    if (!known.has(id)) known.set(id, load.call(module, id))
    return known.get(id)
  } as NodeJS.Require
}
