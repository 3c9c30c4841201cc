/** For tests: a real browser, Chromium. CHROMIUM_PATH names another than the one that npm brings. */
import sparticuz from '@sparticuz/chromium'
import type { Browser, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

export async function launchBrowser(): Promise<Browser> {
  const { CHROMIUM_PATH } = process.env
  // In the POSIX locale Chromium calls its language en-US@posix, which Intl refuses.
  const env = { ...process.env, LANG: 'en_US.UTF-8', LC_ALL: 'en_US.UTF-8' }
  if (CHROMIUM_PATH) return chromium.launch({ executablePath: CHROMIUM_PATH, env })
  const executablePath = await sparticuz.executablePath()
  // In a single process, one page that is closed can take the others with it.
  const args = sparticuz.args.filter((arg) => arg !== '--single-process')
  return chromium.launch({ executablePath, args: [...args, '--lang=en-US'], env })
}

/** What a page complains of: errors of its scripts, of its console with their address, and of its Content-Security-Policy. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    complaints.push(`${message.text()} ${message.location().url}`)
  })
  return complaints
}
