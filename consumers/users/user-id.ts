/**
 * Ids of users. An email is kept under a key, and an id holds the key of its email, so that whoever knows the
 * user finds the email's entries without a look-up.
 */
import { createHash } from 'node:crypto'

const prefix = 'user-'
const keyLength = 32

/** The same for an email however it is written. */
export const keyOfEmail = (email: string): string =>
  createHash('sha256').update(email.trim().toLowerCase()).digest('hex').slice(0, keyLength)

/** @param version of the entry that made the user; a later user of the same email has another */
export const userIdOf = (key: string, version: number): string => `${prefix}${key}-${version}`

export const keyOfUser = (userId: string): string => userId.slice(prefix.length, prefix.length + keyLength)

/** Of the entry that made the user. */
export const versionOfUser = (userId: string): number => Number(userId.slice(prefix.length + keyLength + 1))
