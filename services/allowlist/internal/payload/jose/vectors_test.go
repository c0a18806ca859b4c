package jose_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// A vector is the output of another tool, in a vocabulary that is neither ours nor the tool's.
type vector struct {
	ID      string
	Secrets map[string]struct{ Value, Decode string }
	Profile struct {
		Kind, Scheme, Alg, Enc, Ref string
		IVLen                       int `json:"iv_len"`
		B64                         *bool
		Nested                      struct{ JWS struct{ Alg, Ref string } }
		Headers                     map[string]string
		ProtectedHeader             struct{ Kid string } `json:"protected_header"`
	}
	Plaintext string
	Output    struct {
		Body    string
		Headers map[string]string
	}
	Expect string
}

func vectors(t *testing.T) []vector {
	t.Helper()
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(stored(t, "vectors.json"), &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// key returns a secret: a private key, or the bytes of a shared one.
func (v vector) key(t *testing.T, ref string) any {
	t.Helper()
	s := v.Secrets[ref]
	if s.Decode == "pemfile" {
		return storedKey(t, s.Value)
	}
	key, err := base64.StdEncoding.DecodeString(s.Value)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestVectorsOfOtherToolsOpen(t *testing.T) {
	t.Parallel()
	count := 0
	for _, v := range vectors(t) {
		if v.Profile.Kind != "jwe" {
			continue
		}
		count++
		j := jose.JWE{Alg: v.Profile.Alg, Enc: v.Profile.Enc, GCMIVBytes: v.Profile.IVLen, Lenient: v.Profile.IVLen == 16}
		got, _, err := decrypt(j, v.message(t), v.key(t, v.Profile.Ref))
		if v.Expect == "reject" {
			if !errors.Is(err, jose.ErrMessage) {
				t.Errorf("%s: Decrypt = %q, %v, want ErrMessage", v.ID, got, err)
			}
			continue
		}
		if nested := v.Profile.Nested.JWS; err == nil && nested.Alg != "" {
			got, err = v.verify(t, nested.Alg, nested.Ref, got)
		}
		if err != nil || got != v.Plaintext {
			t.Errorf("%s: Decrypt = %q, %v", v.ID, got, err)
		}
	}
	if count < 8 {
		t.Errorf("found %d vectors", count)
	}
}

// message finds the message in the body: the whole text, or the longest member.
func (v vector) message(t *testing.T) string {
	t.Helper()
	if !strings.HasPrefix(v.Output.Body, "{") {
		return v.Output.Body
	}
	var members map[string]string
	if err := json.Unmarshal([]byte(v.Output.Body), &members); err != nil {
		t.Fatal(err)
	}
	longest := ""
	for _, member := range members {
		if len(member) > len(longest) {
			longest = member
		}
	}
	return longest
}

// verify verifies the nested JWS.
func (v vector) verify(t *testing.T, alg, ref, compact string) (string, error) {
	t.Helper()
	public, _, err := keyform.ParsePublic(stored(t, v.Secrets[ref].Value))
	if err != nil {
		t.Fatal(err)
	}
	payload, _, err := jose.JWS{Alg: alg}.Verify([]any{public}, []byte(compact))
	return string(payload), err
}

func TestDetachedSignaturesOfOtherToolsComeOutByteForByte(t *testing.T) {
	t.Parallel()
	count := 0
	for _, v := range vectors(t) {
		if v.Profile.Scheme != "jws_detached" {
			continue
		}
		count++
		j := jose.JWS{Alg: v.Profile.Alg, Header: map[string]string{"kid": v.Profile.ProtectedHeader.Kid}, Unencoded: !*v.Profile.B64}
		key := v.key(t, v.Profile.Ref)
		want := v.Output.Headers["x-jws-signature"]
		got, err := j.SignDetached(now, nil, key, []byte(v.Plaintext))
		if err != nil || string(got) != want {
			t.Errorf("%s: SignDetached = %s, %v, want %s", v.ID, got, err, want)
		}
		public := key.(crypto.Signer).Public()
		if _, err := j.VerifyDetached([]any{public}, []byte(want), []byte(v.Plaintext)); err != nil {
			t.Errorf("%s: VerifyDetached = %v", v.ID, err)
		}
	}
	if count == 0 {
		t.Error("no vectors found")
	}
}
