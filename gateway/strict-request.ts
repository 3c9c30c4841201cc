/** What HTTP's parser lets through and the gateway does not: what two readers may take for different requests. */
import type { Middleware } from 'koa'
import { Problem } from './problem.ts'
import type { RequestState } from './request-state.ts'

export const headerCountLimit = 100

export const strictRequest: Middleware<RequestState> = (ctx, next) => {
  const { req } = ctx
  const { rawHeaders, httpVersion, url = '' } = req
  const target = originForm(url)
  req.url = target ?? '*'
  if (target === undefined) throw new Problem('malformed_request', 'Ask for a path, or for a whole URL.')
  // The parser bounds the headers' bytes; their number costs too, wherever all of them are looked at.
  if (rawHeaders.length / 2 > headerCountLimit) {
    throw new Problem('headers_too_large', `Send at most ${headerCountLimit} headers.`)
  }
  // https://www.rfc-editor.org/rfc/rfc9112#section-3.2
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) {
    throw new Problem('malformed_request', 'Send one Host.')
  }
  return next()
}

/** A target that is a whole URL, as proxies are sent them, without its host. */
function originForm(target: string): string | undefined {
  if (target.startsWith('/') || target === '*') return target
  const url = URL.parse(target)
  return url && /^https?:$/.test(url.protocol) ? `${url.pathname}${url.search}` : undefined
}
