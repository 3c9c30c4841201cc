/** A checkout id is a key on Kafka, a part of other ids, and a path of URLs. */
export const checkoutIdPattern = /^[A-Za-z0-9_-]{1,64}$/

export const isCheckoutId = (text: string | undefined): text is string =>
  text !== undefined && checkoutIdPattern.test(text)
