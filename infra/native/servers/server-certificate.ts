/** What a server shows to its clients and to servers beside it: files in PEM. */
export interface ServerCertificate {
  readonly certificateFile: string
  /** Not encrypted, PKCS #8. */
  readonly keyFile: string
  /** Who signed it. Whether clients need a certificate of that authority is each server's own matter. */
  readonly caFile: string
}
