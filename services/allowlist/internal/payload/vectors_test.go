package payload_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// A vector is what another tool made, in a vocabulary that is neither's own.
type vector struct {
	ID      string
	Secrets map[string]struct{ Value, Decode string }
	Profile struct {
		Kind, Alg, Ref, Enc string
		Content             struct{ Alg string }
		Key                 struct {
			Ref  string
			Refs []string
		}
		IV struct {
			Len uint32
		}
		Select struct {
			Paths     []string
			ValueForm string `json:"value_form"`
		}
		Envelope struct {
			Text  string
			JSON  json.RawMessage
			Blobs map[string]struct {
				Parts []string
				Enc   string
			}
		}
		Headers map[string]string
	}
	Plaintext string
	Output    struct {
		Body    string
		Headers map[string]string
	}
	Expect              string
	RequiresAllowLegacy bool `json:"requires_allow_legacy"`
}

func TestVectorsOfOtherTools(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			p := v.pipeline(t)
			if v.Profile.Kind == "sign" {
				v.checkSignature(t, p)
				return
			}
			v.checkCipher(t, p)
		})
	}
}

func (v *vector) checkSignature(t *testing.T, p *payload.Pipeline) {
	t.Helper()
	sent, err := encryptWith(p, now, strings.NewReader(""), v.keys(p.EncryptReferences()), []byte(v.Plaintext))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, h := range sent.Headers {
		got[h.Name] = h.Value
	}
	if diff := cmp.Diff(v.Output.Headers, got); diff != "" || string(sent.Body) != v.Output.Body {
		t.Errorf("Encrypt = %s with headers (-want +got):\n%s", sent.Body, diff)
	}
}

func (v *vector) checkCipher(t *testing.T, p *payload.Pipeline) {
	t.Helper()
	keys := v.keys(p.DecryptReferences())
	opened, err := decryptWith(p, now, keys, []byte(v.Output.Body))
	if v.Expect == "reject" {
		if !fault.Is(err, payload.DecryptionFailed) {
			t.Errorf("Decrypt = %q, %v, want DECRYPTION_FAILED", opened, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Decrypt: %v", err)
	}
	v.checkPlaintext(t, string(opened))
	sent, err := encryptWith(p, now, strings.NewReader(strings.Repeat("random", 40)), keys[:1], []byte(v.Plaintext))
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	opened, err = decryptWith(p, now, keys, sent.Body)
	if err != nil {
		t.Fatalf("Decrypt(Encrypt): %v", err)
	}
	v.checkPlaintext(t, string(opened))
}

// checkPlaintext compares what was opened with the plaintext. Values that travel
// as text come back as strings.
func (v *vector) checkPlaintext(t *testing.T, got string) {
	t.Helper()
	want := v.Plaintext
	if v.Profile.Select.ValueForm == "string" {
		want = strings.Replace(want, `{"b":1,"a":[true,null]}`, `"{\"b\":1,\"a\":[true,null]}"`, 1)
	}
	if got != want {
		t.Errorf("the plaintext is %s, want %s", got, want)
	}
}

// pipeline maps the vector's profile to a configuration. One that needs an
// acknowledgement is refused without.
func (v *vector) pipeline(t *testing.T) *payload.Pipeline {
	t.Helper()
	pb := &allowlistv1.Encryption{Request: v.request(t)}
	if v.RequiresAllowLegacy {
		if _, err := payload.Parse(pb, "acme", now); !fault.Is(err, payload.LegacyNotAcknowledged) {
			t.Errorf("Parse without acknowledgement: %v", err)
		}
		pb.Request.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
			Flag: allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, Reason: "the vector", ExpireTime: timestamppb.New(now.AddDate(1, 0, 0)),
		}}
	}
	c, err := payload.Parse(pb, "acme", now)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c.Pipeline(payload.Request)
}

func (v *vector) request(t *testing.T) *allowlistv1.Profile {
	t.Helper()
	if v.Profile.Kind == "sign" {
		signing := &allowlistv1.Signing{
			Scheme:   &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
			Keys:     []*allowlistv1.SecretRef{v.ref(t, v.Profile.Ref)},
			Headers:  map[string]string{},
			Encoding: known[allowlistv1.Encoding](t, allowlistv1.Encoding_value, "ENCODING_", v.Profile.Enc),
		}
		for name, value := range v.Profile.Headers {
			signing.Headers[name] = strings.ReplaceAll(value, "${sig}", "${signature}")
		}
		return &allowlistv1.Profile{Signing: signing}
	}
	shared := &allowlistv1.SharedKey{}
	for _, ref := range append(v.Profile.Key.Refs, v.Profile.Key.Ref) {
		if ref != "" {
			shared.Keys = append(shared.Keys, v.ref(t, ref))
		}
	}
	profile := &allowlistv1.Profile{
		Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
			Algorithm: known[allowlistv1.Cipher_Algorithm](t, allowlistv1.Cipher_Algorithm_value, "ALGORITHM_", v.Profile.Content.Alg),
			Key:       &allowlistv1.Cipher_SharedKey{SharedKey: shared},
			Iv:        &allowlistv1.Iv{Bytes: v.Profile.IV.Len},
		}},
		Envelope: v.envelope(t),
	}
	if paths := v.Profile.Select.Paths; len(paths) > 0 {
		form := known[allowlistv1.Fields_ValueForm](t, allowlistv1.Fields_ValueForm_value, "VALUE_FORM_", v.Profile.Select.ValueForm)
		profile.Selection = &allowlistv1.Selection{Part: &allowlistv1.Selection_Fields{Fields: &allowlistv1.Fields{Paths: paths, ValueForm: form}}}
	}
	return profile
}

func (v *vector) envelope(t *testing.T) *allowlistv1.Envelope {
	t.Helper()
	envelope := &allowlistv1.Envelope{Blobs: map[string]*allowlistv1.Blob{}, Body: &allowlistv1.Envelope_Text{Text: v.Profile.Envelope.Text}}
	if json := v.Profile.Envelope.JSON; json != nil {
		envelope.Body = &allowlistv1.Envelope_Json{Json: string(json)}
	}
	slots := map[string]allowlistv1.Part_Slot{"iv": allowlistv1.Part_SLOT_IV, "ct": allowlistv1.Part_SLOT_CIPHERTEXT, "tag": allowlistv1.Part_SLOT_TAG}
	for name, blob := range v.Profile.Envelope.Blobs {
		pb := &allowlistv1.Blob{Encoding: known[allowlistv1.Encoding](t, allowlistv1.Encoding_value, "ENCODING_", blob.Enc)}
		for _, part := range blob.Parts {
			pb.Parts = append(pb.Parts, &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slots[part]}})
		}
		envelope.Blobs[name] = pb
	}
	return envelope
}

// ref refers to one of the vector's secrets, in its decoding.
func (v *vector) ref(t *testing.T, name string) *allowlistv1.SecretRef {
	t.Helper()
	decode := strings.Replace(v.Secrets[name].Decode, "utf8", "raw", 1)
	return &allowlistv1.SecretRef{
		Name:     "workspaces/acme/secrets/" + name,
		Decoding: known[allowlistv1.Decoding](t, allowlistv1.Decoding_value, "DECODING_", decode),
	}
}

func (v *vector) keys(refs []payload.Reference) payload.Keys {
	keys := make(payload.Keys, len(refs))
	for i, ref := range refs {
		keys[i] = []payload.Key{{Value: sensitive.New([]byte(v.Secrets[strings.TrimPrefix(ref.Secret, "workspaces/acme/secrets/")].Value))}}
	}
	return keys
}

// known finds the enum value for a word of the vocabulary.
func known[E ~int32](t *testing.T, values map[string]int32, prefix, word string) E {
	t.Helper()
	value, ok := values[prefix+strings.ReplaceAll(strings.ToUpper(word), "-", "_")]
	if !ok {
		t.Fatalf("the vocabulary has no %s%s", prefix, word)
	}
	return E(value)
}
