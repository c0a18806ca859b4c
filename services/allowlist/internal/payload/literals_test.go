package payload_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const pasted = "8f0c1b5a2d9e47f3a6b1c08d7e52f9341b6d0e8c5a7f2394d1e6b80c3f5a7d92"

// Configurations that were saved before literals were checked continue to work, and can be
// diagnosed.
func TestStoredLiteralsAreNotCheckedAgain(t *testing.T) {
	t.Parallel()
	pb := message(t, `request { `+gcm+` envelope { json: "{\"apiKey\":\"`+pasted+`\",\"data\":\"${data}\"}" } }`)
	_, err := payload.Parse(pb, "acme", now)
	if reason, fields := found(t, err); reason != direct || !cmp.Equal(fields, []string{request + ".envelope.json"}) {
		t.Errorf("Parse = %v", err)
	}
	old, err := payload.Variant(pb, "acme", now)
	if err != nil {
		t.Fatalf("Variant: %v", err)
	}
	stored, err := old.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := payload.Load(stored)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	p := loaded.Pipeline(payload.Request)
	sent := encrypt(t, p, "{}")
	opened, err := decryptWith(p, now, resolve(p.DecryptReferences()), sent.Body)
	if err != nil || string(opened) != "{}" {
		t.Errorf("Decrypt = %q, %v", opened, err)
	}
}

func TestAcknowledgedLiteralsAreNamedByTheirFields(t *testing.T) {
	t.Parallel()
	const aad = `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + ref + ` } aad { text: "` + pasted + `" } } `
	public := func(rest string) string {
		return aad + `allow_legacy { flag: FLAG_PUBLIC_LITERAL reason: "is public" expire_time { seconds: 1830000000 } ` + rest + ` }`
	}
	_, err := payload.Parse(message(t, "request { "+public(`fields: "cipher.aad.text"`)+" }"), "acme", now)
	if err != nil {
		t.Errorf("Parse: %v", err)
	}
	const ack = request + ".allow_legacy[0]"
	checkMistakes(t, []mistake{
		{"not acknowledged", aad, direct, []string{request + ".cipher.aad.text"}},
		{"no field", public(""), direct, []string{ack + ".fields", request + ".cipher.aad.text"}},
		{"another field", public(`fields: "envelope.json"`), direct, []string{ack + ".fields[0]", request + ".cipher.aad.text"}},
		{"a literal that needs no acknowledgement", public(`fields: ["cipher.aad.text", "envelope.json"]`), invalid, []string{ack + ".fields[1]"}},
		{"of one direction", public(`fields: "cipher.aad.text" decrypt_only: true`), invalid, []string{ack + ".decrypt_only"}},
		{
			"fields of another choice", under("AES_256_CBC", "") + `allow_legacy { flag: FLAG_UNAUTHENTICATED_CBC reason: "x" expire_time { seconds: 1830000000 } fields: "cipher" }`,
			invalid,
			[]string{ack + ".fields"},
		},
	})
	expired, err := payload.Variant(message(t, "request { "+public(`fields: "cipher.aad.text"`)+" }"), "acme", now)
	if err != nil {
		t.Fatal(err)
	}
	p := expired.Pipeline(payload.Request)
	if _, err := encryptWith(p, now.AddDate(30, 0, 0), nil, resolve(p.EncryptReferences()), nil); !fault.Is(err, legacy) {
		t.Errorf("Encrypt after the acknowledgement = %v", err)
	}
}
