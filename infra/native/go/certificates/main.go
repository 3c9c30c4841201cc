// Makes a certificate authority and certificates of it, for tests: valid for a day, for 127.0.0.1 and
// localhost, as server and as client.
//
// Arguments: the folder to write to, then a name for each certificate. Writes ca.pem, and <name>.pem with
// <name>.key (PKCS #8) beside it. The authority's key is not kept, so that nobody can add to it.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func main() {
	folder, names := os.Args[1], os.Args[2:]
	authorityKey := newKey()
	authority := newTemplate("")
	// Of two authorities with one name, clients would complain of a bad signature rather than of a stranger.
	authority.Subject.CommonName = "Sagascope test authority " + authority.SerialNumber.Text(16)
	authority.IsCA = true
	authority.BasicConstraintsValid = true
	authority.KeyUsage = x509.KeyUsageCertSign
	write(folder, "ca.pem", "CERTIFICATE", sign(authority, authority, authorityKey, authorityKey))

	for _, name := range names {
		key := newKey()
		certificate := newTemplate(name)
		certificate.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		certificate.DNSNames = []string{"localhost"}
		certificate.KeyUsage = x509.KeyUsageDigitalSignature
		certificate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		write(folder, name+".pem", "CERTIFICATE", sign(certificate, authority, key, authorityKey))
		write(folder, name+".key", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
	}
}

func newKey() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func newTemplate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

func sign(certificate, authority *x509.Certificate, key, authorityKey *ecdsa.PrivateKey) []byte {
	return must(x509.CreateCertificate(rand.Reader, certificate, authority, &key.PublicKey, authorityKey))
}

func write(folder, name, kind string, content []byte) {
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	if err := os.WriteFile(filepath.Join(folder, name), block, 0o600); err != nil {
		log.Fatal(err)
	}
}

func must[Value any](value Value, err error) Value {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
