/** All that the report is written of, whatever it is written as. */
import type { LabResult } from '../lab-result.ts'
import type { StudyResults } from '../study-results.ts'
import type { GrowthSeries, StrategyAnalysed } from './analyse-studies.ts'
import { analyseGrowth, analyseSampling } from './analyse-studies.ts'
import type { ComparisonAnalysed, LabAnalysed } from './analyse.ts'
import { analyse } from './analyse.ts'
import type { TargetJudged } from './targets.ts'
import { judge } from './targets.ts'

export interface Report {
  readonly lab: LabAnalysed
  readonly studies: StudyResults
  readonly targets: readonly TargetJudged[]
  readonly growth: readonly GrowthSeries[]
  readonly sampling: readonly StrategyAnalysed[]
}

export function makeReport(result: LabResult, studies: StudyResults): Report {
  const lab = analyse(result)
  return {
    lab,
    studies,
    targets: judge({ lab, studies }),
    growth: studies.growth ? analyseGrowth(studies.growth) : [],
    sampling: studies.sampling ? analyseSampling(studies.sampling) : [],
  }
}

/** In the order in which they were measured. */
export function byGroup(
  comparisons: readonly ComparisonAnalysed[],
): (readonly [group: string, comparisons: readonly ComparisonAnalysed[]])[] {
  return [...Map.groupBy(comparisons, ({ group }) => group)]
}
