/** The instrumentations are there and call the API, and behind it is nobody: what is left in when telemetry is not set up. */
import { registerInstrumentations } from '@opentelemetry/instrumentation'
import { createInstrumentations } from '../../../shared/telemetry/instrumentations.ts'
import { patchImports } from '../../../shared/telemetry/patch-imports.ts'

patchImports()

registerInstrumentations({ instrumentations: createInstrumentations() })
