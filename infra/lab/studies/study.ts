/** What every study of the lab is given. */
import type { Stop } from '../../native/run-until-stopped.ts'
import type { Pinning } from '../pinning.ts'

export interface StudyTools {
  readonly pinning: Pinning | undefined
  readonly onStop: (stop: Stop) => void
  readonly say: (line: string) => void
  /** Where the lab's results are, for files beside the study's own. */
  readonly folder: string
}

/** @returns what its file holds, without when and of which code that is */
export type Study<Result> = (tools: StudyTools) => Promise<Omit<Result, 'startedAt' | 'endedAt' | 'commit'>>
