package signature_test

import (
	"crypto"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// everywhere is a configuration with strings at all places that a request with a body of a kind has.
func everywhere() signature.Config {
	return signature.Config{
		Scheme: signature.NewHMAC(crypto.SHA256), Encoding: template.Hex, Tolerance: 5 * time.Minute,
		Constants: map[string]string{"client": "C1"},
		Values: map[string]string{
			"stamp": "time('2006-01-02T15:04:05-07:00', '+07:00')", "day": "time('20060102')", "once": "nonce(16)", "token": "context('token')",
			"digest": "'SHA-256=' + base64(sha256(body))", "all": "digest + token",
		},
		InputExpression: "method + path + query + stamp + day + once + all + client",
		Headers:         map[string]string{"Digest": "${digest}", "X-Time": "${stamp}", "Authorization": "Bearer ${token}"},
		QueryParameters: map[string]string{"nonce": "${once}", "day": "${day}"},
		BodyMembers:     map[string]string{"sign": "v1=${signature}"},
	}
}

// A delivery is a message on its way.
type delivery struct {
	message signature.Message
	headers map[string]string
}

// deliver signs a message and returns what the receiver has.
func deliver(t testing.TB, s *signature.Signer, keys []any, m signature.Message) delivery {
	t.Helper()
	sent, err := s.Sign(rand.Reader, keys, m)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	d := delivery{message: m, headers: map[string]string{}}
	d.message.Body, d.message.Values, d.message.Headers = sent.Body, nil, nil
	for _, h := range sent.Headers {
		d.headers[h.Name] = h.Value
	}
	for _, q := range sent.Query {
		d.message.Query += "&" + q.Name + "=" + url.QueryEscape(q.Value)
	}
	d.message.Query = strings.TrimPrefix(d.message.Query, "&")
	return d
}

func tokenMessage() signature.Message {
	m := webhook()
	m.Values = map[string]string{"token": "tok-1"}
	return m
}

// TestEachPartOfASignedMessageIsProtected changes a message in each way that an attacker can.
func TestEachPartOfASignedMessageIsProtected(t *testing.T) {
	t.Parallel()
	s, key := compile(t, everywhere()), []any{[]byte("key")}
	replace := func(of *string, old, with string) { *of = strings.Replace(*of, old, with, 1) }
	header := func(name, value string) func(*delivery) { return func(d *delivery) { d.headers[name] = value } }
	body := func(old, with string) func(*delivery) {
		return func(d *delivery) { d.message.Body = []byte(strings.Replace(string(d.message.Body), old, with, 1)) }
	}
	for name, change := range map[string]func(*delivery){
		"a value of the body":               body("AAEC", "AAED"),
		"a member more":                     body("{", `{"more":1,`),
		"a second signature":                body("{", `{"sign":"v1=00",`),
		"a signature that is no string":     body(`"v1=`, `["v1="],"x":"`),
		"no signature":                      func(d *delivery) { d.message.Body = webhook().Body },
		"a body that is not JSON":           func(d *delivery) { d.message.Body = []byte("sign") },
		"another method":                    func(d *delivery) { d.message.Method = "PUT" },
		"another parameter":                 func(d *delivery) { replace(&d.message.Query, "a=1", "a=2") },
		"another nonce":                     func(d *delivery) { replace(&d.message.Query, "nonce=", "nonce=x") },
		"two nonces":                        func(d *delivery) { d.message.Query += "&nonce=abcdefgh" },
		"no nonce":                          func(d *delivery) { replace(&d.message.Query, "nonce=", "once=") },
		"another day":                       func(d *delivery) { replace(&d.message.Query, "day=20260102", "day=20260103") },
		"the digest of another body":        header("Digest", "SHA-256=AAAA"),
		"no digest":                         func(d *delivery) { delete(d.headers, "Digest") },
		"another token":                     header("Authorization", "Bearer tok-2"),
		"another form of the token":         header("Authorization", "Basic tok-1"),
		"another time within the tolerance": header("X-Time", "2026-01-02T22:04:06+07:00"),
		"the same time, another offset":     header("X-Time", "2026-01-02T15:04:05+00:00"),
		"a time that is long ago":           func(d *delivery) { d.message.Time = d.message.Time.Add(time.Hour) },
		"a time in another form":            header("X-Time", "1767366245"),
	} {
		d := deliver(t, s, key, tokenMessage())
		if _, err := s.Verify(key, d.message, received(d.headers)); err != nil {
			t.Fatalf("Verify = %v: %s", err, cause(err))
		}
		change(&d)
		if _, err := s.Verify(key, d.message, received(d.headers)); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("Verify of a message with %s = %v, want ErrInvalid", name, err)
		}
	}
}

func cause(err error) string {
	if wrong := (*signature.InvalidError)(nil); errors.As(err, &wrong) {
		return wrong.Cause
	}
	return ""
}

func TestAVerifiedMessageHasTheTimeAndTheNonce(t *testing.T) {
	t.Parallel()
	s, key := compile(t, everywhere()), []any{[]byte("key")}
	d := deliver(t, s, key, tokenMessage())
	got, err := s.Verify(key, d.message, received(d.headers))
	if err != nil {
		t.Fatalf("Verify = %v", err)
	}
	query, err := url.ParseQuery(d.message.Query)
	if err != nil {
		t.Fatal(err)
	}
	if want := (signature.Verified{ID: query.Get("nonce"), Time: now().Truncate(time.Second)}); !cmp.Equal(want, got) {
		t.Errorf("Verify = %v, want %v", got, want)
	}
	if again := deliver(t, s, key, tokenMessage()); again.message.Query == d.message.Query {
		t.Error("two messages have the same nonce")
	}
}

// TestBodiesKeepTheirBytes adds and removes what a signature adds to a body.
func TestBodiesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	members, fields := over(""), over("")
	members.BodyMembers, members.Headers = map[string]string{"sign": "${signature}", "alg": "HS256"}, nil
	fields.FormFields, fields.Headers = map[string]string{"sign": "v1 ${signature}", "at": "${timestamp}"}, nil
	fields.Input = "${timestamp}${body}"
	inner := over("")
	inner.BodyMembers, inner.Headers = map[string]string{"$.head.sign": "${signature}", "alg": "HS256"}, nil
	for body, config := range map[string]signature.Config{
		`{}`: members, ` { } `: members, `{"a":1}`: members, "{\n  \"a\" : [1, {\"sign\": 2}] ,\r\n\t\"b\":\"\\u0073ign\"\n}\n": members, `{"é":"ü"}`: members,
		"": fields, "a=1": fields, "a=1&b": fields, "&&a=%zz": fields, "a=1&": fields, "signs=1&sig=n": fields,
		`{"head":{}}`: inner, `{"sign":1, "head" : { "v":"1" } , "body":{"head":{"sign":2}}}`: inner,
	} {
		s, key := compile(t, config), []any{[]byte("key")}
		m := webhook()
		m.Body = []byte(body)
		d := deliver(t, s, key, m)
		if _, err := s.Verify(key, d.message, received(d.headers)); err != nil {
			t.Errorf("Verify of %q = %v: %s", d.message.Body, err, cause(err))
		}
		if got, err := s.Strip(d.message.Body); err != nil || string(got) != body {
			t.Errorf("Strip(%q) = %q, %v, want %q", d.message.Body, got, err, body)
		}
	}
	for body, config := range map[string]signature.Config{
		`{"sign":1}`: members, `{"s\u0069gn":"a"}`: members, `[]`: members, ``: members, `{"a":1`: members, `"sign"`: members,
		`{}`: inner, `{"head":"sign"}`: inner, `{"head":{"sign":null}}`: inner, `{"head":{},"alg":1}`: inner, `{"head":{},"head":{}}`: inner,
		"sign=1": fields, "a=1&s%69gn": fields,
	} {
		m := webhook()
		m.Body = []byte(body)
		if _, err := compile(t, config).Sign(nil, []any{[]byte("key")}, m); !errors.Is(err, signature.ErrBody) {
			t.Errorf("Sign(%q) = %v, want ErrBody", body, err)
		}
	}
}

func TestStringsThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	mac, jws, text := signature.NewHMAC(crypto.SHA256), signature.JWS{JWS: jose.JWS{Alg: "HS256"}}, map[string]string{"X-S": "${v}:${signature}"}
	values := map[string]string{"v": "get(form(query), 'a')"}
	for _, tt := range []struct {
		name       string
		config     signature.Config
		controlled bool // control characters are refused
	}{
		{"a header", signature.Config{Scheme: mac, Values: values, Headers: text}, true},
		{"a query parameter", signature.Config{Scheme: mac, Values: values, QueryParameters: text}, false},
		{"a form field", signature.Config{Scheme: mac, Values: values, FormFields: text}, false},
		{"a member", signature.Config{Scheme: mac, Values: values, BodyMembers: text}, false},
		{"a claim", signature.Config{Scheme: jws, Values: values, Claims: map[string]string{"v": "v"}, Headers: map[string]string{"X-S": "${signature}"}}, false},
		{"a computed signature", signature.Config{
			Scheme: signature.Computed{}, InputExpression: "get(form(query), 'a') + hex(hmac_sha256(secret, body))", Headers: map[string]string{"X-S": "${signature}"},
		}, true},
	} {
		tt.config.Encoding = template.Hex
		s := compile(t, tt.config)
		for query, refused := range map[string]bool{"a=x%20%c3%a9": false, "a=%ff": true, "a=%0d%0aX-Other:1": tt.controlled} {
			m := webhook()
			m.Query, m.Body = query, nil
			if len(tt.config.BodyMembers) > 0 {
				m.Body = []byte("{}")
			}
			got, err := s.Sign(rand.Reader, []any{[]byte("a key of thirty-two bytes length")}, m)
			if refused && (!errors.Is(err, signature.ErrText) || got.Headers != nil || got.Body != nil) || !refused && err != nil {
				t.Errorf("%s: Sign with ?%s = %q, %v, want it to be refused: %t", tt.name, query, got, err, refused)
			}
		}
	}
}

// TestClaimsAreCompared signs a JWS with claims, and changes the message.
func TestClaimsAreCompared(t *testing.T) {
	t.Parallel()
	config := signature.Config{
		Scheme: signature.JWS{JWS: jose.JWS{Alg: "HS256"}}, Tolerance: 5 * time.Minute, Headers: map[string]string{"X-Jws": "${signature}"},
		Claims: map[string]string{"iat": "timestamp", "jti": "id", "hash": "hex(sha256(body))", "note": `'a"b'`},
	}
	s, key := compile(t, config), []any{[]byte("a key of thirty-two bytes length")}
	d := deliver(t, s, key, webhook())
	got, err := s.Verify(key, d.message, received(d.headers))
	want := signature.Verified{ID: "msg_1", Time: now().Truncate(time.Second)}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("Verify = %v, %v, want %v", got, err, want)
	}
	payload, _, err := jose.JWS{Alg: "HS256"}.Verify(key, []byte(d.headers["X-Jws"]))
	if err != nil || !strings.HasPrefix(string(payload), `{"hash":"`) || !strings.HasSuffix(string(payload), `,"iat":1767366245,"jti":"msg_1","note":"a\"b"}`) {
		t.Errorf("the payload is %s, %v", payload, err)
	}
	signed := func(payload string) map[string]string {
		text, err := jose.JWS{Alg: "HS256"}.Sign(now(), rand.Reader, key[0], []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"X-Jws": string(text)}
	}
	good := string(payload)
	if _, err := s.Verify(key, webhook(), received(signed(strings.Replace(good, "{", `{"more":[1], `, 1)))); err != nil {
		t.Errorf("Verify with another claim = %v", err)
	}
	for _, bad := range []string{
		strings.Replace(good, "hash", "has", 1), strings.Replace(good, "1767366245", "1767366245.0", 1), strings.Replace(good, "1767366245", "1767300000", 1),
		strings.Replace(good, "{", `{"iat":1767366245,`, 1), strings.Replace(good, "a\\\"b", "ab", 1), "[1]", good + "{}", "",
	} {
		if _, err := s.Verify(key, webhook(), received(signed(bad))); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("Verify of %s = %v, want ErrInvalid", bad, err)
		}
	}
	m := webhook()
	m.Body = []byte("another")
	for _, changed := range []map[string]string{d.headers, {"X-Jws": "a.b"}, {"X-Jws": "a.b.c.d"}, {"X-Jws": strings.Replace(d.headers["X-Jws"], ".", ".e30", 1)}} {
		if _, err := s.Verify(key, m, received(changed)); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("Verify of %v = %v, want ErrInvalid", changed, err)
		}
	}
}

func TestConfigurationsWithExpressionsAreChecked(t *testing.T) {
	t.Parallel()
	jws, mac := signature.JWS{JWS: jose.JWS{Alg: "HS256"}}, signature.NewHMAC(crypto.SHA256)
	headers := map[string]string{"X-S": "${signature}"}
	for _, tt := range []struct {
		name   string
		config signature.Config
		want   signature.Violation
	}{
		{"both inputs", signature.Config{Scheme: mac, Input: "${body}", InputExpression: "body", Headers: headers}, signature.Violation{Field: "input_expression", Text: "must be empty if input is set"}},
		{"a secret in a MAC", signature.Config{Scheme: mac, InputExpression: "sha256(body + secret)", Headers: headers}, signature.Violation{Field: "input_expression", Text: "must not use secret: only the input of a computed signature may, at line 1, column 15"}},
		{"a secret in a value", signature.Config{Scheme: signature.Computed{}, InputExpression: "hmac_md5(secret, v)", Values: map[string]string{"v": "hex(md5(id + secret))"}, Headers: headers}, signature.Violation{Field: "values", Name: "v", Text: "must not use secret: only the input of a computed signature may, at line 1, column 14"}},
		{"a computed signature without the secret", signature.Config{Scheme: signature.Computed{}, InputExpression: "hex(sha256(body))", Headers: headers}, signature.Violation{Field: "input_expression", Text: "must use secret, because it computes the signature"}},
		{"a computed signature without an expression", signature.Config{Scheme: signature.Computed{}, Headers: headers}, signature.Violation{Field: "input_expression", Text: "is required: it computes the signature"}},
		{"a digest with an expression", signature.Config{Scheme: signature.SecretDigest{Hash: crypto.SHA256}, InputExpression: "body", Headers: headers}, signature.Violation{Field: "input_expression", Text: "must be empty with secret_digest; use computed"}},
		{"values in a circle", signature.Config{Scheme: mac, Values: map[string]string{"a": "b", "b": "c", "c": "a"}, Headers: headers}, signature.Violation{Field: "values", Name: "a", Text: "must not depend on itself, not even through other values"}},
		{"a value of itself", signature.Config{Scheme: mac, Values: map[string]string{"a": "a"}, Headers: headers}, signature.Violation{Field: "values", Name: "a", Text: "must not depend on itself, not even through other values"}},
		{"bytes as a value", signature.Config{Scheme: mac, Values: map[string]string{"a": "sha256(body)"}, Headers: headers}, signature.Violation{Field: "values", Name: "a", Text: "must be a string; write bytes with hex or base64"}},
		{"a value with a name of its own", signature.Config{Scheme: mac, Values: map[string]string{"body": "id"}, Headers: headers}, signature.Violation{Field: "values", Name: "body", Text: "must not have the name of a constant or of another placeholder"}},
		{"a constant with a name of its own", signature.Config{Scheme: mac, Constants: map[string]string{"secret": "x"}, Headers: headers}, signature.Violation{Field: "constants", Name: "secret", Text: "must not have the name of another placeholder"}},
		{"a nonce that is not sent", signature.Config{Scheme: mac, Values: map[string]string{"n": "nonce(8)"}, InputExpression: "n", Headers: headers}, signature.Violation{Field: "values", Name: "n", Text: "must be in a template, so that the receiver learns the nonce"}},
		{"a date alone", signature.Config{Scheme: mac, Values: map[string]string{"d": "time('20060102')"}, InputExpression: "d", Headers: map[string]string{"X-S": "${signature}", "Date": "${d}"}}, signature.Violation{Field: "values", Name: "d", Text: "must have a layout with seconds, unless another value has one"}},
		{"another form of the time", signature.Config{Scheme: mac, InputExpression: "timestamp", Headers: map[string]string{"X-S": "${signature}", "T": "${timestamp_ms}"}}, signature.Violation{Field: "input_expression", Text: "must use the same form of the time as the headers"}},
		{"claims of a MAC", signature.Config{Scheme: mac, Claims: map[string]string{"a": "id"}, Headers: headers}, signature.Violation{Field: "claims", Text: "must be empty unless the scheme is a JWS without a list"}},
		{"claims and an input", signature.Config{Scheme: jws, Input: "${body}", Claims: map[string]string{"a": "id"}, Headers: headers}, signature.Violation{Field: "claims", Text: "must be empty if there is an input"}},
		{"bytes as a claim", signature.Config{Scheme: jws, Claims: map[string]string{"a": "body"}, Headers: headers}, signature.Violation{Field: "claims", Name: "a", Text: "must be a string; write bytes with hex or base64"}},
		{"fields and members", signature.Config{Scheme: mac, FormFields: map[string]string{"a": "${signature}"}, BodyMembers: map[string]string{"b": "x"}}, signature.Violation{Field: "form_fields", Text: "must be empty if there are body_members"}},
		{"a member inside another", signature.Config{Scheme: mac, BodyMembers: map[string]string{"$.a.b": "x", "a": "${signature}"}}, signature.Violation{Field: "body_members", Name: "a", Text: "must not be, contain, or be inside another member"}},
		{"a member of a list", signature.Config{Scheme: mac, BodyMembers: map[string]string{"$.a[0]": "${signature}"}}, signature.Violation{Field: "body_members", Name: "$.a[0]", Text: "must be the name of a member, or a path of at most 256 bytes: $ and then .name or ['name']"}},
		{"no path", signature.Config{Scheme: mac, BodyMembers: map[string]string{"$": "${signature}"}}, signature.Violation{Field: "body_members", Name: "$", Text: "must be the name of a member, or a path of at most 256 bytes: $ and then .name or ['name']"}},
		{"two signatures", signature.Config{Scheme: mac, QueryParameters: map[string]string{"a": "${signature}"}, Headers: headers}, signature.Violation{Field: "headers", Text: "must have ${signature} exactly once in all headers, query parameters, form fields, and body members"}},
		{"an unknown value in a template", signature.Config{Scheme: mac, QueryParameters: map[string]string{"a": "${signature}${nothing}"}}, signature.Violation{Field: "query_parameters", Name: "a", Text: "must not use the unknown name nothing; available: timestamp, timestamp_ms, timestamp_rfc3339, id, signature"}},
		{"a chosen value that is sorted", signature.Config{Scheme: signature.Computed{}, Values: map[string]string{"v": "json(plaintext, '$.a')"}, InputExpression: "hex(sorted_sha1([v, timestamp], secret))", Headers: headers}, signature.Violation{Field: "input_expression", Text: "must list only times, nonces, and json(body, …) in sorted_sha1, which the sender does not choose"}},
	} {
		tt.config.Encoding = template.Hex
		_, got := signature.New(tt.config)
		if !cmp.Equal([]signature.Violation{tt.want}, got, cmpopts.EquateEmpty()) {
			t.Errorf("%s: New = %v, want %v", tt.name, got, tt.want)
		}
	}
}
