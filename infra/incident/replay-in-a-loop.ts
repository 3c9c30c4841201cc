/** A script with a fault: it replays one checkout's request and never stops. `<checkout id> <messages a second>` */
import { connectKafka } from '../../shared/kafka/kafka-for-tools.ts'
import { readConfig } from '../../shared/process/config.ts'
import { readSelection } from '../../producers/replay/read-selection.ts'
import { replay } from '../../producers/replay/replay-messages.ts'
import { paced } from '../../producers/replay/paced.ts'

const [checkoutId = '', rate = ''] = process.argv.slice(2)
const kafka = await connectKafka(readConfig(), 'replay')
const { messages } = await readSelection(kafka, { topics: ['checkouts'], checkoutId })
const request = messages.find(({ recorded }) => recorded.event.type === 'CheckoutRequested')
if (!request) throw new Error(`topic checkouts has no request of checkout ${checkoutId}`)
const { send } = await kafka.connectProducer()

function* forEver<Item>(item: Item): Generator<Item> {
  for (;;) yield item
}
// Not one after the other: a client with a fault does not wait for the broker either.
for await (const message of paced(forEver(request), Number(rate))) void replay(message, send)
