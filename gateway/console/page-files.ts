/**
 * The console's page as it is sent to browsers, read once at the start. There is no build step: the page's own
 * modules have their types stripped, libraries are sent as they were published.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { findPackageJSON, stripTypeScriptTypes } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface PageFile {
  readonly mediaType: string
  readonly body: string
  /** Strong, of the body. */
  readonly etag: string
}

export interface PageFiles {
  readonly page: PageFile
  /** What the page may load and run, for its Content-Security-Policy header. */
  readonly contentSecurityPolicy: string
  /** By what follows `/console/`. */
  readonly byPath: ReadonlyMap<string, PageFile>
}

const repository = fileURLToPath(new URL('../../', import.meta.url))

/** Where the page's modules are: they import one another relatively, and keep their places under /console/modules/. */
const moduleFolders = ['gateway/console/page', 'shared/traces']
const singleModules = ['shared/saga/checkout-id.ts']

/** The files of each library that the page loads; the import map in index.html names them. */
const libraryFiles = {
  'lit-html': ['lit-html.js', 'directive.js', 'directive-helpers.js', 'directives/repeat.js'],
  uplot: ['dist/uPlot.esm.js', 'dist/uPlot.min.css'],
} as const

const mediaTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.ts': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** @throws Error when a file is missing or its types cannot be stripped */
export function readPageFiles(): PageFiles {
  const page = readPageFile('gateway/console/page/index.html')
  const styles = ['style.css', 'icon.svg'].map((name) => [name, `gateway/console/page/${name}`] as const)
  const modules = [...moduleFolders.flatMap(modulesIn), ...singleModules].map(
    (path) => [`modules/${path}`, path] as const,
  )
  const libraries = Object.entries(libraryFiles).flatMap(([name, files]) => {
    const folder = dirname(findPackageJSON(name, import.meta.url) ?? '')
    return files.map((file) => [`modules/${name}/${file}`, join(folder, file)] as const)
  })
  return {
    page,
    contentSecurityPolicy: contentSecurityPolicyOf(page.body),
    byPath: new Map([...styles, ...modules, ...libraries].map(([path, file]) => [path, readPageFile(file)])),
  }
}

const modulesIn = (folder: string): string[] =>
  readdirSync(join(repository, folder))
    .filter((name) => name.endsWith('.ts') && !/\btests?\.ts$/.test(name))
    .map((name) => `${folder}/${name}`)

/** @param path absolute, or within the repository */
function readPageFile(path: string): PageFile {
  const file = path.startsWith('/') ? path : join(repository, path)
  const extension = extname(file)
  const text = readFileSync(file, 'utf8')
  const body = extension === '.ts' ? stripTypeScriptTypes(text) : text
  return { mediaType: mediaTypes[extension] ?? 'text/plain', body, etag: `"${sha256(body)}"` }
}

/**
 * Nothing but the page's own: its modules and style sheets by address, its import map (which must be inline) by hash.
 * See https://www.w3.org/TR/CSP3/ and, for the sinks that only lit-html may use, https://w3c.github.io/trusted-types/
 */
function contentSecurityPolicyOf(html: string): string {
  const importMap = /<script type="importmap">([^]*?)<\/script>/.exec(html)?.[1] ?? ''
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${sha256(importMap)}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types lit-html',
  ].join('; ')
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64')
