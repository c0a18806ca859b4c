package jose_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// forSeveral lets go-jose encrypt the sample for several recipients.
func forSeveral(t testing.TB, recipients ...library.Recipient) string {
	t.Helper()
	e, err := library.NewMultiEncrypter(library.A256GCM, recipients, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := e.Encrypt([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return object.FullSerialize()
}

// decryptGeneral decrypts a message in the general serialization.
func decryptGeneral(j jose.JWE, text string, keys ...any) (string, error) {
	general, err := jose.SplitGeneral([]byte(text))
	if err != nil {
		return "", err
	}
	plaintext, _, err := j.DecryptGeneral(keys, general)
	return string(plaintext), err
}

func TestMessagesForSeveralRecipientsOpenForEach(t *testing.T) {
	t.Parallel()
	ring := keyRing()
	keys := map[string]pair{
		"RSA-OAEP-256": ring["RSA"], "ECDH-ES+A256KW": ring["P-256"], "ECDH-ES+A128KW": ring["P-384"],
		"A256KW": {"", secret[:32], secret[:32]}, "A128GCMKW": {"", secret[:16], secret[:16]}, "RSA1_5": ring["RSA"],
	}
	var recipients []library.Recipient
	for alg, p := range keys {
		recipients = append(recipients, library.Recipient{Algorithm: library.KeyAlgorithm(alg), Key: p.write, KeyID: alg})
	}
	message := forSeveral(t, recipients...)
	for alg, p := range keys {
		if got, err := decryptGeneral(jose.JWE{Alg: alg, Enc: "A256GCM"}, message, p.read); err != nil || got != sample {
			t.Errorf("%s: Decrypt = %q, %v", alg, got, err)
		}
		if got, err := decryptGeneral(jose.JWE{Alg: alg, Enc: "A128GCM"}, message, p.read); !errors.Is(err, jose.ErrMessage) {
			t.Errorf("%s: Decrypt with another enc = %q, %v, want ErrMessage", alg, got, err)
		}
	}
	if _, err := decryptGeneral(jose.JWE{Alg: "RSA-OAEP", Enc: "A256GCM"}, message, ring["RSA"].read); !errors.Is(err, jose.ErrMessage) {
		t.Errorf("Decrypt without a recipient for the algorithm = %v, want ErrMessage", err)
	}
	if _, err := decryptGeneral(jose.JWE{Alg: "A256KW", Enc: "A256GCM"}, message, secret[1:33]); !errors.Is(err, jose.ErrUnwrap) {
		t.Errorf("Decrypt with another key = %v, want ErrUnwrap", err)
	}
	other := library.Recipient{Algorithm: library.A256KW, Key: secret[1:33]}
	ours := library.Recipient{Algorithm: library.A256KW, Key: secret[:32]}
	for name, all := range map[string][]library.Recipient{"first": {ours, other}, "last": {other, other, ours}} {
		if got, err := decryptGeneral(jose.JWE{Alg: "A256KW", Enc: "A256GCM"}, forSeveral(t, all...), secret[:32]); err != nil || got != sample {
			t.Errorf("our recipient is the %s: Decrypt = %q, %v", name, got, err)
		}
	}
}

func TestGeneralMessagesHaveOneMeaning(t *testing.T) {
	t.Parallel()
	key := secret[:32]
	recipient := library.Recipient{Algorithm: library.A256KW, Key: key}
	var good map[string]any
	if err := json.Unmarshal([]byte(forSeveral(t, recipient, recipient)), &good); err != nil {
		t.Fatal(err)
	}
	delete(good, "encrypted_key") // see SplitGeneral
	good["recipients"] = good["recipients"].([]any)[:1]
	text := func(change func(m, r map[string]any)) string {
		m, r := maps.Clone(good), maps.Clone(good["recipients"].([]any)[0].(map[string]any))
		m["recipients"] = []any{r}
		change(m, r)
		return string(must(json.Marshal(m)))
	}
	one := func(name string, value any) string { return text(func(m, _ map[string]any) { m[name] = value }) }
	headed := func(header map[string]any) string { return text(func(_, r map[string]any) { r["header"] = header }) }
	plain := text(func(_, _ map[string]any) {})
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"one recipient":                      {plain, nil},
		"white space around it":              {" \n" + plain + "\n ", nil},
		"a shared header":                    {one("unprotected", map[string]any{"kid": "x"}), nil},
		"the algorithm in the shared header": {text(func(m, r map[string]any) { m["unprotected"] = r["header"]; delete(r, "header") }), nil},
		"the algorithm in both":              {one("unprotected", map[string]any{"alg": "A256KW"}), jose.ErrMessage},
		"no algorithm":                       {headed(nil), jose.ErrMessage},
		"another algorithm":                  {headed(map[string]any{"alg": "dir"}), jose.ErrMessage},
		"enc of a recipient":                 {headed(map[string]any{"alg": "A256KW", "enc": "A256GCM"}), jose.ErrMessage},
		"an unprotected enc":                 {one("unprotected", map[string]any{"enc": "A256GCM"}), jose.ErrMessage},
		"an unprotected enc alone": {text(func(m, _ map[string]any) {
			m["unprotected"], m["protected"] = map[string]any{"enc": "A256GCM"}, b64("{}")
		}), jose.ErrMessage},
		"an unprotected zip":                  {one("unprotected", map[string]any{"zip": "DEF"}), jose.ErrMessage},
		"an unprotected crit":                 {one("unprotected", map[string]any{"crit": []string{"x"}}), jose.ErrMessage},
		"crit":                                {one("protected", b64(`{"enc":"A256GCM","crit":["x"]}`)), jose.ErrMessage},
		"additional data":                     {one("aad", "YQ"), jose.ErrMessage},
		"an unknown member":                   {one("x", "y"), jose.ErrMessage},
		"an unknown member of a recipient":    {text(func(_, r map[string]any) { r["x"] = "y" }), jose.ErrMessage},
		"a flattened message":                 {one("encrypted_key", "AAAA"), jose.ErrMessage},
		"no recipients":                       {one("recipients", []any{}), jose.ErrMessage},
		"a recipient that is no object":       {one("recipients", []any{"x"}), jose.ErrMessage},
		"nine recipients":                     {one("recipients", []any{good, good, good, good, good, good, good, good, good}), jose.ErrMessage},
		"no protected header":                 {one("protected", ""), jose.ErrMessage},
		"a member twice":                      {strings.Replace(plain, `{"ciphertext"`, `{"iv":"AAAA","ciphertext"`, 1), jose.ErrMessage},
		"the members of a recipient twice":    {strings.Replace(plain, `"encrypted_key"`, `"encrypted_key":"","encrypted_key"`, 1), jose.ErrMessage},
		"an algorithm twice":                  {strings.Replace(plain, `"header":{`, `"header":{"alg":"dir",`, 1), jose.ErrMessage},
		"text after it":                       {plain + "x", jose.ErrMessage},
		"compact":                             {encrypt(t, jose.JWE{Alg: "A256KW", Enc: "A256GCM"}, key, sample), jose.ErrMessage},
		"a long encrypted key":                {text(func(_, r map[string]any) { r["encrypted_key"] = strings.Repeat("A", 2000) }), jose.ErrMessage},
		"an encrypted key of another content": {text(func(_, r map[string]any) { r["encrypted_key"] = strings.Repeat("A", 54) }), jose.ErrUnwrap},
		"another tag":                         {one("tag", strings.Repeat("A", 22)), jose.ErrDecrypt},
		"another ciphertext":                  {one("ciphertext", "AAAA"), jose.ErrDecrypt},
		"another header":                      {one("protected", b64(`{"enc":"A256GCM" }`)), jose.ErrDecrypt},
	} {
		got, err := decryptGeneral(jose.JWE{Alg: "A256KW", Enc: "A256GCM"}, tt.text, key)
		if !errors.Is(err, tt.want) || (err == nil) != (got == sample) {
			t.Errorf("%s: Decrypt of %s = %q, %v, want %v", name, tt.text, got, err, tt.want)
		}
	}
}

func TestAContentKeyThatIsSharedHasOneRecipient(t *testing.T) {
	t.Parallel()
	compact := strings.Split(encrypt(t, jose.JWE{Alg: "dir", Enc: "A256GCM"}, secret[:32], sample), ".")
	message := func(recipients string) string {
		return `{"protected":"` + compact[0] + `","iv":"` + compact[2] + `","ciphertext":"` + compact[3] + `","tag":"` + compact[4] + `","recipients":[` + recipients + `]}`
	}
	j := jose.JWE{Alg: "dir", Enc: "A256GCM"}
	if got, err := decryptGeneral(j, message(`{}`), secret[:32]); err != nil || got != sample {
		t.Errorf("Decrypt = %q, %v", got, err)
	}
	for _, recipients := range []string{`{},{}`, `{"encrypted_key":"AAAA"}`, `{"header":{"alg":"dir"}}`} {
		if got, err := decryptGeneral(j, message(recipients), secret[:32]); !errors.Is(err, jose.ErrMessage) {
			t.Errorf("Decrypt for %s = %q, %v, want ErrMessage", recipients, got, err)
		}
	}
}

// FuzzGeneral checks that any string is decrypted or refused.
func FuzzGeneral(f *testing.F) {
	recipient := library.Recipient{Algorithm: library.A256KW, Key: secret[:32]}
	f.Add(forSeveral(f, recipient, recipient))
	f.Add(`{"protected":"","recipients":[{"header":{},"encrypted_key":""}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, j := range []jose.JWE{{Alg: "A256KW", Enc: "A256GCM"}, {Alg: "dir", Enc: "A256GCM", Compress: true, Lenient: true}} {
			if _, err := decryptGeneral(j, text, secret[:32]); err != nil && !named(err) {
				t.Errorf("Decrypt of %q = %v", text, err)
			}
		}
	})
}
