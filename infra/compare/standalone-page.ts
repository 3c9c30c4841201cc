import type { Markup } from './markup.ts'
import { html } from './markup.ts'

export interface StandalonePage {
  readonly title: string
  readonly style: Markup
  readonly content: Markup
}

/** A page that needs nothing but itself: no network and no script, which a policy bars as well. */
export const standalonePage = ({ title, style, content }: StandalonePage): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        />
        <title>${title}</title>
        <style>
          ${style}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html> `.text
