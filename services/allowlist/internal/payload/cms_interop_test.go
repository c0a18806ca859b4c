//go:build interop

package payload_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/services/e2e/partnertest"
)

// openssl opens our messages. Its own messages are in testdata/cms.
func TestInteropOpenSSLOpensCMS(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	folder := t.TempDir()
	for _, name := range []string{"rsa-pair", "cert", "ec-cert"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(s[name][0]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(input []byte, args ...string) []byte {
		args = append([]string{"cms", "-binary", "-inform", "DER"}, args...)
		return partnertest.Run(t, folder, input, "openssl", args...)
	}
	decrypt := []string{"-decrypt", "-recip", "rsa-pair"}
	verify := func(certificate string) []string {
		return []string{"-verify", "-CAfile", certificate, "-partial_chain", "-purpose", "any"}
	}
	for _, tt := range []struct {
		profile string
		steps   [][]string
	}{
		{cmsTo("AES_128_CBC", cmsPKCS1, named("rsa-pair", "PEM")), [][]string{decrypt}},
		{cmsTo("AES_192_CBC", cmsOAEP, named("rsa-pair", "PEM")), [][]string{decrypt}},
		{cmsTo("TRIPLE_DES_CBC", cmsPKCS1, named("rsa-pair", "PEM")), [][]string{decrypt}},
		{cmsTo("AES_128_GCM", cmsPKCS1, named("rsa-pair", "PEM")), [][]string{decrypt}},
		{cmsTo("AES_256_GCM", `rsa_oaep { hash: HASH_SHA1 } `, named("rsa-pair", "PEM")), [][]string{decrypt}},
		{cmsTo("AES_256_GCM", `rsa_oaep { mgf1_hash: HASH_SHA512 label: "partner" } `, named("rsa-pair", "PEM")), [][]string{decrypt}},
		{cmsOf(signers("rsa-pair")), [][]string{verify("cert")}},
		{cmsOf(signers("ec-pair") + `digest: HASH_SHA512`), [][]string{verify("ec-cert")}},
		{cmsTo("AES_256_GCM", cmsOAEP, named("rsa-pair", "PEM")+signers("ec-pair")), [][]string{decrypt, verify("ec-cert")}},
	} {
		sent := s.encrypt(t, legacyPipeline(t, tt.profile), cmsPlaintext).Body
		opened, err := base64.StdEncoding.DecodeString(string(sent))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range tt.steps {
			opened = run(opened, step...)
		}
		if string(opened) != cmsPlaintext {
			t.Errorf("%s: openssl opens %q", tt.profile, opened)
		}
	}
}
