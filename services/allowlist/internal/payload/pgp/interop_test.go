//go:build interop

package pgp_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
	"github.com/keyward/keyward/services/e2e/partnertest"
)

// These tests need node and the packages that `make interop` installs. OpenPGP.js reads our
// messages, and we read its messages, with keys that it has generated.

// A job is one for openpgp.mjs of the partner.
type job struct {
	Op         string `json:"op"`
	Type       string `json:"type,omitempty"`
	Curve      string `json:"curve,omitempty"`
	V6         bool   `json:"v6"`
	Passphrase string `json:"passphrase,omitempty"`
	Key        string `json:"key,omitempty"`
	Sign       bool   `json:"sign"`
	Compress   bool   `json:"compress"`
	Binary     bool   `json:"binary"`
	Text       string `json:"text,omitempty"`
}

// partnerDoes does jobs with the partner's tool.
func partnerDoes(t *testing.T, jobs ...job) []string {
	t.Helper()
	var results []string
	partnertest.Ask(t, "openpgp.mjs", jobs, &results)
	return results
}

func TestInteropOpenPGPJSOpensAndIsOpened(t *testing.T) {
	t.Parallel()
	do := func(jobs ...job) []string { return partnerDoes(t, jobs...) }
	kinds := []job{
		{Type: "curve25519"},
		{Type: "curve25519", Passphrase: "correct horse"},
		{Type: "curve25519", V6: true},
		{Type: "curve25519", V6: true, Passphrase: "correct horse"},
		{Type: "rsa"},
		{Type: "ecc", Curve: "nistP256"},
	}
	for i := range kinds {
		kinds[i].Op = "generate"
	}
	keys := do(kinds...)
	current := time.Now() // the keys are new
	var jobs []job
	for i, kind := range kinds {
		kind.Key = keys[i]
		signer := &pgp.Signer{Key: []byte(kind.Key), Passphrase: []byte(kind.Passphrase)}
		for _, ours := range []job{{}, {Sign: true}, {Binary: true, Sign: true}} {
			by := signer
			if !ours.Sign {
				by = nil
			}
			sent, err := pgp.Message{Binary: ours.Binary}.Encrypt(current, rand.Reader, []byte(kind.Key), by, []byte(sample))
			if err != nil {
				t.Fatalf("%s: Encrypt: %v", kind.Type, err)
			}
			ours.Op, ours.Key, ours.Passphrase, ours.Text = "decrypt", kind.Key, kind.Passphrase, string(sent)
			if ours.Binary {
				ours.Text = base64.StdEncoding.EncodeToString(sent)
			}
			jobs = append(jobs, ours)
		}
		for _, theirs := range []job{{}, {Sign: true}, {Compress: true, Sign: true}} {
			theirs.Op, theirs.Key, theirs.Passphrase, theirs.Text = "encrypt", kind.Key, kind.Passphrase, sample
			jobs = append(jobs, theirs)
		}
	}
	for i, got := range do(jobs...) {
		j := jobs[i]
		if j.Op == "decrypt" {
			if got != sample {
				t.Errorf("%+v: OpenPGP.js decrypts the output of Encrypt as %q", kinds[i/6], got)
			}
			continue
		}
		if !strings.HasPrefix(got, "-----BEGIN PGP MESSAGE-----") {
			t.Fatalf("%+v: OpenPGP.js encrypts: %q", kinds[i/6], got)
		}
		var verifiers [][]byte
		if j.Sign {
			verifiers = [][]byte{[]byte(j.Key)}
		}
		opened, _, err := pgp.Decrypt(time.Now(), [][]byte{[]byte(j.Key)}, []byte(j.Passphrase), verifiers, []byte(got))
		if err != nil || string(opened) != sample {
			t.Errorf("%+v: Decrypt of the output of OpenPGP.js = %q, %v", kinds[i/6], opened, err)
		}
	}
}
