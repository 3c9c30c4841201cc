/** HTML from templates in which whatever is filled in is text, unless it was made by the same templates. */

export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Filling = string | number | Markup | readonly Markup[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

/** Safe between tags and in quoted attributes; not as the name of a tag, nor within a style or a script. */
export const escape = (text: string): string =>
  text
    .replace(/[&<>"'`]/g, (character) => entities[character] ?? '')
    // Neither HTML nor a reader has a use for these, and some turn the order of what follows around.
    // eslint-disable-next-line no-control-regex -- that is what is taken out
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')

export function html(parts: TemplateStringsArray, ...fillings: readonly Filling[]): Markup {
  return new Markup(
    parts.map((part, index) => part + (index in fillings ? render(fillings[index] ?? '') : '')).join(''),
  )
}

function render(filling: Filling): string {
  if (filling instanceof Markup) return filling.text
  if (typeof filling === 'object') return filling.map(({ text }) => text).join('')
  return escape(String(filling))
}
