/** What replaces private modules of kafkajs that it keeps once it is loaded. To be imported before it, wherever it is. */
import './merged-sends.ts'
import './unreadable-batches.ts'
