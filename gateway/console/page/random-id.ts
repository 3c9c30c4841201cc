/** 128 random bits in hexadecimal. `crypto.randomUUID` is there for pages that came by HTTPS or from loopback only. */
export const randomId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
