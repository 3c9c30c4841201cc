/** All dashboards, by the file that Grafana reads them from. */
import type { Dashboard } from './panels.ts'
import { kafkaDashboard } from './kafka-dashboard.ts'
import { sagaDashboard } from './saga-dashboard.ts'
import { servicesDashboard } from './services-dashboard.ts'
import { telemetryDashboard } from './telemetry-dashboard.ts'

export const dashboards: Readonly<Record<string, Dashboard>> = {
  'saga.json': sagaDashboard,
  'services.json': servicesDashboard,
  'kafka-and-outbox.json': kafkaDashboard,
  'telemetry.json': telemetryDashboard,
}

export const dashboardFolder = new URL('dashboards/', import.meta.url)
