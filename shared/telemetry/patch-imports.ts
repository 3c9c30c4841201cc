/**
 * Lets instrumentations patch what is imported; what is required they patch without it. Where Node can, the hook runs
 * in the thread that imports and looks at the named modules alone. Else it runs in a thread of its own, through which
 * every import goes: 60 MB and half a second of processor time more for one of our services.
 * See https://github.com/nodejs/import-in-the-middle#synchronous-loader-hooks
 */
import { register } from 'node:module'
import { register as registerInThread, supportsSyncHooks } from 'import-in-the-middle/register-hooks.mjs'

/** What the services import by themselves; the driver of the store is patched in files that it requires. */
const imported = ['http', 'https', 'koa', 'kafkajs', 'bunyan']

/** @param modules by the names that instrumentations have for them */
export function patchImports(modules: readonly string[] = imported): void {
  if (supportsSyncHooks()) registerInThread({ include: [...modules] })
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the way for a Node without the other
  else register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)
}
