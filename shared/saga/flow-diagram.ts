/** The flow table as a picture, for the README. */
import type { EventType, Service } from './events.ts'
import { services } from './events.ts'
import { consumedBy, flow, producedBy, terminalTypes } from './flow.ts'

const beginMark = '<!-- flow -->'
const endMark = '<!-- /flow -->'

/** A Mermaid flowchart: services are boxes, arrows are events. See https://mermaid.js.org/syntax/flowchart.html */
export function flowDiagram(): string {
  const producers: readonly { readonly name: string; readonly types: ReadonlySet<EventType> }[] = [
    { name: 'gateway', types: new Set(['CheckoutRequested']) },
    ...services.map((service) => ({ name: service, types: producedBy(service) })),
  ]
  const arrows = producers.flatMap(({ name, types }) =>
    services.flatMap((service) =>
      arrow(
        name,
        service,
        [...consumedBy(service)].filter((type) => types.has(type)),
      ),
    ),
  )
  const onDeadline = flow.filter(({ on }) => (on as readonly string[]).includes('DeadlinePassed'))
  const ends = services.flatMap((service) =>
    terminalTypes
      .filter((type) => producedBy(service).has(type))
      .map((type) => `${service} --> ${type}(["${type}"])`),
  )
  return [
    'flowchart LR',
    'gateway[/gateway/]',
    ...services.map((service) => `${service}["${service}"]`),
    ...arrows,
    ...onDeadline.map(({ by }) => `deadline(("deadline")) -. passed .-> ${by}`),
    ...ends,
  ].join('\n  ')
}

const arrow = (from: string, to: Service, types: readonly EventType[]): readonly string[] =>
  types.length === 0 ? [] : [`${from} -->|"${types.join('<br>')}"| ${to}`]

/** The block that the README holds, marks included. */
export const flowBlock = (): string =>
  [beginMark, '', '```mermaid', flowDiagram(), '```', '', endMark].join('\n')

/** The block between the marks of a page, marks included; undefined when it has none. */
export function findFlowBlock(page: string): string | undefined {
  const begin = page.indexOf(beginMark)
  const end = page.indexOf(endMark, begin)
  return begin < 0 || end < 0 ? undefined : page.slice(begin, end + endMark.length)
}
