//go:build interop

package jose_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/e2e/partnertest"
)

// These tests need node and the packages that `make interop` installs. The partner's tools read
// our messages, and we read theirs.

// A job is a job for jose.mjs of the partner.
type job struct {
	Op        string `json:"op"`
	Alg       string `json:"alg,omitempty"`
	Enc       string `json:"enc,omitempty"`
	Secret    string `json:"secret,omitempty"`
	PEM       string `json:"pem,omitempty"`
	APU       string `json:"apu,omitempty"`
	APV       string `json:"apv,omitempty"`
	Signature string `json:"signature,omitempty"`
	Text      string `json:"text"`
	// Files of Mastercard's library.
	Certificate string `json:"certificate,omitempty"`
	File        string `json:"file,omitempty"`
}

// partnerDoes runs jobs with the partner's tools.
func partnerDoes(t *testing.T, jobs ...job) []string {
	t.Helper()
	var results []string
	partnertest.Ask(t, "jose.mjs", jobs, &results)
	return results
}

// with returns the job with the private or shared key.
func (j job) with(key any) job {
	if shared, ok := key.([]byte); ok {
		j.Secret = base64.RawURLEncoding.EncodeToString(shared)
		return j
	}
	der := must(x509.MarshalPKCS8PrivateKey(key))
	j.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return j
}

func TestInteropNodeJoseOpensAndIsOpened(t *testing.T) {
	t.Parallel()
	type try struct {
		jose.JWE
		pair
	}
	var tries []try
	var jobs []job
	for _, enc := range contents {
		for alg, pairs := range managements(enc) {
			if alg == "RSA1_5" {
				continue // the tool no longer supports it
			}
			for _, p := range pairs {
				j := jose.JWE{Alg: alg, Enc: enc, Header: map[string]string{"kid": "k"}}
				theirs := job{Op: "encrypt", Alg: alg, Enc: enc, Text: sample}
				if strings.HasPrefix(alg, "ECDH") {
					j.Header["apu"], j.Header["apv"] = b64("Alice"), b64("Bob")
					theirs.APU, theirs.APV = "Alice", "Bob"
				}
				ours := job{Op: "decrypt", Alg: alg, Enc: enc, Text: encrypt(t, j, p.write, sample)}
				tries = append(tries, try{j, p})
				jobs = append(jobs, ours.with(p.read), theirs.with(p.read))
			}
		}
	}
	results := partnerDoes(t, jobs...)
	for i, try := range tries {
		if got := results[2*i]; got != sample {
			t.Errorf("%s, %s, %s: jose decrypts the output of Encrypt as %q", try.Alg, try.Enc, try.name, got)
		}
		if got, _, err := decrypt(try.JWE, results[2*i+1], try.read); err != nil || got != sample {
			t.Errorf("%s, %s, %s: Decrypt of %.60q = %q, %v", try.Alg, try.Enc, try.name, results[2*i+1], got, err)
		}
	}
	if len(tries) < 80 {
		t.Errorf("%d combinations were tried", len(tries))
	}
}

func TestInteropNodeJoseVerifiesAndIsVerified(t *testing.T) {
	t.Parallel()
	var algs []string
	var jobs []job
	for alg, p := range standardSignings() {
		compact, err := jose.JWS{Alg: alg}.Sign(now, rand.Reader, p.write, []byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		detached, err := jose.JWS{Alg: alg, Unencoded: true}.SignDetached(now, rand.Reader, p.write, []byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		algs = append(algs, alg)
		for _, j := range []job{
			{Op: "verify", Text: string(compact)},
			{Op: "verifyDetached", Text: sample, Signature: string(detached)},
			{Op: "sign", Text: sample},
			{Op: "signDetached", Text: sample},
		} {
			j.Alg = alg
			jobs = append(jobs, j.with(p.write))
		}
	}
	results := partnerDoes(t, jobs...)
	for i, alg := range algs {
		got, key := results[4*i:4*i+4], signings()[alg].read
		if got[0] != sample || got[1] != sample {
			t.Errorf("%s: jose verifies %q, and detached %q", alg, got[0], got[1])
		}
		if payload, _, err := (jose.JWS{Alg: alg}).Verify([]any{key}, []byte(got[2])); err != nil || string(payload) != sample {
			t.Errorf("%s: Verify of %.60q = %q, %v", alg, got[2], payload, err)
		}
		if _, err := (jose.JWS{Alg: alg, Unencoded: true}).VerifyDetached([]any{key}, []byte(got[3]), []byte(sample)); err != nil {
			t.Errorf("%s: VerifyDetached of %.60q = %v", alg, got[3], err)
		}
	}
}

func TestInteropNodeJoseReadsAndWritesJSON(t *testing.T) {
	t.Parallel()
	var algs []string
	var jobs []job
	for alg, p := range standardSignings() {
		flattened, err := jose.JWS{Alg: alg, Serialization: jose.Flattened}.Sign(now, rand.Reader, p.write, []byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		algs = append(algs, alg)
		jobs = append(jobs, job{Op: "verifyFlattened", Alg: alg, Text: string(flattened)}.with(p.write), job{Op: "signFlattened", Alg: alg, Text: sample}.with(p.write))
	}
	results := partnerDoes(t, jobs...)
	for i, alg := range algs {
		if got := results[2*i]; got != sample {
			t.Errorf("%s: jose verifies %q", alg, got)
		}
		j := jose.JWS{Alg: alg, Serialization: jose.Flattened}
		if payload, _, err := j.Verify([]any{signings()[alg].read}, []byte(results[2*i+1])); err != nil || string(payload) != sample {
			t.Errorf("%s: Verify of %.60q = %q, %v", alg, results[2*i+1], payload, err)
		}
	}
}

func TestInteropNodeJoseEncryptsForSeveralAndCompressed(t *testing.T) {
	t.Parallel()
	ring := keyRing()
	zipped := jose.JWE{Alg: "dir", Enc: "A256GCM", Compress: true}
	recipients := map[string]pair{"RSA-OAEP-256": ring["RSA"], "ECDH-ES+A256KW": ring["P-256"], "A128GCMKW": {"", secret[:16], secret[:16]}}
	jobs := []job{
		job{Op: "encryptZipped", Alg: "dir", Enc: "A256GCM", Text: sample}.with(secret[:32]),
		job{Op: "decrypt", Alg: "dir", Enc: "A256GCM", Text: encrypt(t, zipped, secret[:32], sample)}.with(secret[:32]),
	}
	var algs []string
	for alg, p := range recipients {
		algs = append(algs, alg)
		jobs = append(jobs, job{Op: "encryptGeneral", Alg: alg, Enc: "A256GCM", Text: sample}.with(p.read))
	}
	results := partnerDoes(t, jobs...)
	if got, _, err := decrypt(zipped, results[0], secret[:32]); err != nil || got != sample {
		t.Errorf("Decrypt of %.80q = %q, %v", results[0], got, err)
	}
	if results[1] != sample {
		t.Errorf("jose decrypts a compressed message as %q", results[1])
	}
	for i, alg := range algs {
		if got, err := decryptGeneral(jose.JWE{Alg: alg, Enc: "A256GCM"}, results[2+i], recipients[alg].read); err != nil || got != sample {
			t.Errorf("%s: Decrypt of %s = %q, %v", alg, results[2+i], got, err)
		}
	}
}

func TestInteropMastercardOpensAndIsOpened(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	key := storedKey(t, "keys/rsa_priv.pem")
	conforming := jose.JWE{Alg: "RSA-OAEP-256", Enc: "A256GCM"}
	theirs := jose.JWE{Alg: "RSA-OAEP-256", Enc: "A256GCM", GCMIVBytes: 16, Lenient: true}
	files := job{Certificate: filepath.Join(folder, "rsa_cert.pem"), File: filepath.Join(folder, "rsa_priv.pem")}
	var jobs []job
	const times = 20 // until every part contains a slash
	for i := range 2 * times {
		j := files
		j.Op, j.Text = "cardEncrypt", sample
		if i < times {
			j.Op, j.Text = "cardDecrypt", encrypt(t, []jose.JWE{conforming, theirs}[i%2], public(key), sample)
		}
		jobs = append(jobs, j)
	}
	strict := 0
	for i, got := range partnerDoes(t, jobs...) {
		if i < times {
			if got != sample {
				t.Errorf("Mastercard's library decrypts the output of Encrypt as %q", got)
			}
			continue
		}
		if opened, _, err := decrypt(theirs, got, key); err != nil || opened != sample {
			t.Errorf("Decrypt of %q = %q, %v", got, opened, err)
		}
		if _, _, err := decrypt(conforming, got, key); err == nil {
			strict++
		}
	}
	if strict > 0 {
		t.Errorf("%d messages of Mastercard's library were decrypted as if they conformed to the RFC", strict)
	}
}
