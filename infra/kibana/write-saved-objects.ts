/** Writes sagascope.ndjson. Run it after a change to saved-objects.ts: `node infra/kibana/write-saved-objects.ts`. */
import { writeFile } from 'node:fs/promises'
import { savedObjects, savedObjectsFile, toNdjson } from './saved-objects.ts'

await writeFile(savedObjectsFile, toNdjson(savedObjects))
console.log('sagascope.ndjson: written')
