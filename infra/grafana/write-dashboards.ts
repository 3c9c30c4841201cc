/** Writes dashboards/*.json. Run it after a change to a dashboard: `node infra/grafana/write-dashboards.ts`. */
import { writeFile } from 'node:fs/promises'
import { format, resolveConfig } from 'prettier'
import { dashboardFolder, dashboards } from './dashboards.ts'

for (const [file, dashboard] of Object.entries(dashboards)) {
  const url = new URL(file, dashboardFolder)
  const style = await resolveConfig(url)
  await writeFile(url, await format(JSON.stringify(dashboard), { ...style, parser: 'json' }))
  console.log(`${file}: written`)
}
