package jose_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

func TestGoJoseAndTheEngineVerifyEachOthersFlattenedSignatures(t *testing.T) {
	t.Parallel()
	for alg, p := range standardSignings() {
		j := jose.JWS{Alg: alg, Header: map[string]string{"kid": "k-1"}, Serialization: jose.Flattened}
		for _, payload := range []string{"", "x", sample} {
			signed, err := j.Sign(now, rand.Reader, p.write, []byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := library.ParseSignedJSON(string(signed), []library.SignatureAlgorithm{library.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatalf("%s: go-jose does not parse %s: %v", alg, signed, err)
			}
			if got, err := parsed.Verify(p.read); err != nil || string(got) != payload {
				t.Errorf("%s: go-jose verifies the output of Sign as %q, %v", alg, got, err)
			}
			signer, err := library.NewSigner(library.SigningKey{Algorithm: library.SignatureAlgorithm(alg), Key: p.write}, nil)
			if err != nil {
				t.Fatal(err)
			}
			object, err := signer.Sign([]byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := j.Verify([]any{p.read}, []byte(object.FullSerialize())); err != nil || string(got) != payload {
				t.Errorf("%s: Verify of the output of go-jose = %q, %v", alg, got, err)
			}
			if _, _, err := (jose.JWS{Alg: alg}).Verify([]any{p.read}, signed); !errors.Is(err, jose.ErrMessage) {
				t.Errorf("%s: Verify of JSON as compact = %v, want ErrMessage", alg, err)
			}
		}
	}
}

// flattened returns the flattened serialization of a compact one, with other members in front.
func flattened(compact, members string) string {
	pieces := strings.Split(compact, ".")
	return `{` + members + `"payload":"` + pieces[1] + `","protected":"` + pieces[0] + `","signature":"` + pieces[2] + `"}`
}

func TestFlattenedSignaturesHaveOneMeaning(t *testing.T) {
	t.Parallel()
	good := hs256(`{"alg":"HS256"}`, b64(sample))
	pieces := strings.Split(good, ".")
	tests := []struct {
		name, text string
		want       error
	}{
		{"in order", flattened(good, ""), nil},
		{"with white space", " \n" + strings.ReplaceAll(flattened(good, ""), `:`, " :\t") + "\r\n", nil},
		{"with an unprotected header", flattened(good, `"header":{"kid":"x","alg":"none","crit":["b64"]},`), nil},
		{"an unprotected header that is no object", flattened(good, `"header":"x",`), jose.ErrMessage},
		{"an unprotected header with a member twice", flattened(good, `"header":{"a":1,"a":2},`), jose.ErrMessage},
		{"a long unprotected header", flattened(good, `"header":{"a":"`+strings.Repeat("x", 20<<10)+`"},`), jose.ErrMessage},
		{"a member twice", flattened(good, `"payload":"`+b64("other")+`",`), jose.ErrMessage},
		{"an unprotected header twice", flattened(good, `"header":{},"header":{},`), jose.ErrMessage},
		{"another member", flattened(good, `"x":1,`), jose.ErrMessage},
		{"the general serialization", `{"payload":"` + pieces[1] + `","signatures":[` + flattened(good, "") + `]}`, jose.ErrMessage},
		{"both serializations", flattened(good, `"signatures":[],`), jose.ErrMessage},
		{"a member in other letters", strings.Replace(flattened(good, ""), "payload", "Payload", 1), jose.ErrMessage},
		{"a member with an escape", strings.Replace(flattened(good, ""), "payload", `p\u0061yload`, 1), jose.ErrMessage},
		{"a value with an escape", strings.Replace(flattened(good, ""), `"eyJ`, `"\u0065yJ`, 1), jose.ErrSignature},
		{"no payload", `{"protected":"` + pieces[0] + `","signature":"` + pieces[2] + `"}`, jose.ErrMessage},
		{"no protected header", `{"payload":"` + pieces[1] + `","header":{"alg":"HS256"},"signature":"` + pieces[2] + `"}`, jose.ErrMessage},
		{"a payload that is no string", strings.Replace(flattened(good, ""), `"`+pieces[1]+`"`, `{}`, 1), jose.ErrMessage},
		{"text after it", flattened(good, "") + "{}", jose.ErrMessage},
		{"the end of it is missing", strings.TrimSuffix(flattened(good, ""), "}"), jose.ErrMessage},
		{"compact", good, jose.ErrMessage},
		{"another algorithm", flattened(hs256(`{"alg":"none"}`, b64(sample)), ""), jose.ErrMessage},
		{"an unencoded payload", flattened(hs256(`{"alg":"HS256","b64":false,"crit":["b64"]}`, b64(sample)), ""), jose.ErrMessage},
		{"another payload", strings.Replace(flattened(good, ""), pieces[1], b64("other"), 1), jose.ErrSignature},
		{"a payload that moved", strings.Replace(flattened(good, ""), pieces[0], pieces[0]+"."+pieces[1], 1), jose.ErrMessage},
	}
	j := jose.JWS{Alg: "HS256", Serialization: jose.Flattened}
	for _, tt := range tests {
		payload, _, err := j.Verify([]any{secret[:32]}, []byte(tt.text))
		if !errors.Is(err, tt.want) || (err == nil) != (string(payload) == sample) {
			t.Errorf("%s: Verify of %s = %q, %v, want %v", tt.name, tt.text, payload, err, tt.want)
		}
	}
}

func TestTheProtectedHeaderMayBeTheHeader(t *testing.T) {
	t.Parallel()
	good := hs256(`{"alg":"HS256"}`, b64(sample))
	pieces := strings.Split(good, ".")
	text := `{"header":"` + pieces[0] + `","payload":"` + pieces[1] + `","signature":"` + pieces[2] + `"}`
	j := jose.JWS{Alg: "HS256", Serialization: jose.FlattenedHeader}
	if got, err := j.Sign(now, rand.Reader, secret[:32], []byte(sample)); err != nil || string(got) != text {
		t.Errorf("Sign = %s, %v, want %s", got, err, text)
	}
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"as written":            {text, nil},
		"of RFC 7515":           {flattened(good, ""), jose.ErrMessage},
		"both headers":          {strings.Replace(text, "{", `{"protected":"`+pieces[0]+`",`, 1), jose.ErrMessage},
		"an unprotected header": {strings.Replace(text, `"`+pieces[0]+`"`, `{"alg":"HS256"}`, 1), jose.ErrMessage},
		"two headers":           {strings.Replace(text, "{", `{"header":"`+pieces[0]+`",`, 1), jose.ErrMessage},
		"another header":        {strings.Replace(text, pieces[0], b64(`{"alg":"HS256" }`), 1), jose.ErrSignature},
	} {
		if got, _, err := j.Verify([]any{secret[:32]}, []byte(tt.text)); !errors.Is(err, tt.want) || (err == nil) != (string(got) == sample) {
			t.Errorf("%s: Verify = %q, %v, want %v", name, got, err, tt.want)
		}
	}
}
