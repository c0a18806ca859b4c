package signature_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
)

// TestInputsAreRendered compares inputs with their expected strings by their MACs.
func TestInputsAreRendered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ input, want string }{
		{"${body}", `{"sealed":"AAEC"}`},
		{"", `{"sealed":"AAEC"}`},
		{"a${method}b${host}c${path}?${query}d${content_type}", "aPOSTbapi.example.testc/v1/hook?a=1&b=dapplication/json"},
		{"${timestamp}/${timestamp_ms}/${timestamp_rfc3339}", "1767366245/1767366245678/2026-01-02T15:04:05Z"},
		{"${id}$id$${id}", "msg_1$id$msg_1"},
		{"${json:$.amount}|${json:$.note}|${json:$['list'][0]}", "12.50|a\nb|true"},
		{"${json:$.list}", "[true]"},
		{"${method|lower}${host|upper}", "postAPI.EXAMPLE.TEST"},
		{"${method|hex}${method|hex_upper}${host|hex_upper|lower}", "504f5354504F53546170692e6578616d706c652e74657374"},
		{"${query|base64}${query|base64url}", "YT0xJmI9YT0xJmI9"},
		{"${method|base64}${method|base64url}", "UE9TVA==UE9TVA"},
		{"${method|md5|hex}", "a02439ec229d8be0e74b0c1602392310"},
		{"${method|sha1|hex}", "61ff81c30aa3c76e78afea62b2e3bd1dfa49e854"},
		{"${method|sha256|hex|upper|base64}", "OUFFRTZCMUJDREY2MTdEOEUzOUJCMUYyQjYyNEM2OEVBMzNERUI5RDQ4RTAzNjRBRUFERUQ4MzZEM0QwMDI5Mw=="},
		{"${body|base64|sha256|hex}", "d9ad5042f3a80f1f6171c4b9367fe31c92271fe3008ab6415723b1e6a0122159"},
		{"${plaintext|sha384|hex_upper}", "20427C9653E12AF9E4A44763214590F9434B51230A387A743D8BDA8B066ED64081D439D91DD51D41E40CB18A7C376FFA"},
		{"${plaintext|sha512|base64}\n", "O5KAyCDYdDpvaSd0nrNcLr/RzIl3tMdfO1douewKziD4ofEKBaCDMHMt0FtwZcWd3bnFYWjBaEdVVOy4kXDh+A==\n"},
	} {
		wantOver := webhook()
		wantOver.Body = []byte(tt.want)
		key := []any{[]byte("k")}
		got, want := sign(t, compile(t, over(tt.input)), key, webhook()), sign(t, compile(t, over("${body}")), key, wantOver)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("input %q: the signature differs from that of the expected string", tt.input)
		}
	}
}

func TestFunctionsWorkOnLongValuesPieceByPiece(t *testing.T) {
	t.Parallel()
	m := webhook()
	m.Body = bytes.Repeat([]byte("zZ{[`@Aa\xff\x00 0"), 10_000)
	for input, want := range map[string][]byte{
		"${body|hex_upper|lower|base64}": []byte(base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(m.Body)))),
		"${body|base64url|hex}":          []byte(hex.EncodeToString([]byte(base64.RawURLEncoding.EncodeToString(m.Body)))),
		"${body|lower}":                  bytes.Repeat([]byte("zz{[`@aa\xff\x00 0"), 10_000),
		"${body|upper}":                  bytes.Repeat([]byte("ZZ{[`@AA\xff\x00 0"), 10_000),
	} {
		wantOver := m
		wantOver.Body = want
		key := []any{[]byte("k")}
		if diff := cmp.Diff(sign(t, compile(t, over("")), key, wantOver), sign(t, compile(t, over(input)), key, m)); diff != "" {
			t.Errorf("input %q: the signature differs from that of the expected string", input)
		}
	}
}

func TestValuesOfTheInputMustBeKnown(t *testing.T) {
	t.Parallel()
	for input, forget := range map[string]func(*signature.Message){
		"${plaintext}":         func(m *signature.Message) { m.PlaintextKnown = false },
		"${json:$.amount}":     func(m *signature.Message) { m.PlaintextKnown = false },
		"${id}":                func(m *signature.Message) { m.ID = "" },
		"${id}${body}":         func(m *signature.Message) { m.ID = "two words" },
		"${method}":            func(m *signature.Message) { m.Method = "" },
		"${host}":              func(m *signature.Message) { m.Host = "" },
		"${path}":              func(m *signature.Message) { m.Path = "" },
		"${path|hex}":          func(m *signature.Message) { m.Path = "/a\nDELETE" },
		"${query}":             func(m *signature.Message) { m.Query = "a\x00" },
		"${content_type}":      func(m *signature.Message) { m.ContentType = "" },
		"${timestamp}":         func(m *signature.Message) { m.Time = m.Time.AddDate(-60, 0, 0) },
		"${timestamp_rfc3339}": func(m *signature.Message) { m.Time = m.Time.AddDate(8000, 0, 0) },
	} {
		s, key := compile(t, over(input)), []any{[]byte("k")}
		sent := sign(t, s, key, webhook())
		m := webhook()
		forget(&m)
		name, _, _ := strings.Cut(strings.TrimPrefix(input, "${"), "}")
		name, _, _ = strings.Cut(name, "|")
		name = strings.Replace(name, "json:$.amount", "plaintext", 1) // the value is in the plaintext
		var missing *signature.ValueError
		if _, err := s.Sign(nil, key, m); !errors.As(err, &missing) || missing.Name() != name {
			t.Errorf("Sign over %s = %v, want that %s is missing", input, err, name)
		}
		// Regardless of whether the signature is valid.
		for _, value := range []string{sent["X-Signature"], "00"} {
			missing = nil
			if _, err := s.Verify(key, m, received(map[string]string{"x-signature": value})); !errors.As(err, &missing) || missing.Name() != name {
				t.Errorf("Verify over %s = %v, want that %s is missing", input, err, name)
			}
		}
	}
}

func TestAnEmptyQueryIsKnown(t *testing.T) {
	t.Parallel()
	m := webhook()
	m.Query = ""
	s := compile(t, over("${path}${query}"))
	if _, err := s.Sign(nil, []any{[]byte("k")}, m); err != nil {
		t.Errorf("Sign = %v", err)
	}
}

func TestAValueThatThePlaintextLacksIsNamedToTheSenderOnly(t *testing.T) {
	t.Parallel()
	s, key := compile(t, over("${json:$.amount}")), []any{[]byte("k")}
	sent := sign(t, s, key, webhook())
	for _, plaintext := range []string{`{}`, ``, `{"amount":1,"amount":2}`, `{"amount":`, `[]`, `{"amount":1} x`} {
		m := webhook()
		m.Plaintext = []byte(plaintext)
		var missing *signature.ValueError
		if _, err := s.Sign(nil, key, m); !errors.As(err, &missing) || missing.Name() != "json:$.amount" {
			t.Errorf("Sign of %s = %v, want that $.amount is missing", plaintext, err)
		}
		if _, err := s.Verify(key, m, received(sent)); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("Verify of %s = %v, want ErrInvalid", plaintext, err)
		}
	}
}

func TestAnInputHasAnEnd(t *testing.T) {
	t.Parallel()
	m := webhook()
	m.Body = make([]byte, 1<<20)
	most := compile(t, over("${body|hex|hex|hex|hex}"))
	if _, err := most.Sign(nil, []any{[]byte("k")}, m); err != nil {
		t.Errorf("Sign over 16 MiB = %v", err)
	}
	over := compile(t, over(strings.Repeat("${body|hex|hex|hex|hex}", 4)+"${method}"))
	if _, err := over.Sign(nil, []any{[]byte("k")}, m); !errors.Is(err, signature.ErrTooLong) {
		t.Errorf("Sign that takes more than 96 MiB = %v, want ErrTooLong", err)
	}
	if _, err := over.Verify([]any{[]byte("k")}, m, received(map[string]string{"x-signature": "00"})); !errors.Is(err, signature.ErrInvalid) {
		t.Errorf("Verify that takes more than 96 MiB = %v, want ErrInvalid", err)
	}
}

func TestTheSecretEntersADigestOnly(t *testing.T) {
	t.Parallel()
	c := over("${secret}|${body}")
	if _, violations := signature.New(c); len(violations) != 1 || violations[0].Field != "input" {
		t.Errorf("New of a MAC over the secret: %v, want one about the input", violations)
	}
	c = over("${body}")
	c.Scheme = signature.SecretDigest{Hash: crypto.SHA256}
	if _, violations := signature.New(c); len(violations) != 1 || violations[0].Field != "input" {
		t.Errorf("New of a digest without the secret: %v, want one about the input", violations)
	}
	c.Input, c.Headers["X-Key"] = "${secret}", "${secret}"
	if _, violations := signature.New(c); len(violations) != 1 || violations[0].Field != "headers" {
		t.Errorf("New with the secret in a header: %v, want one about the headers", violations)
	}
}

func TestInputsThatAreNoneAreFound(t *testing.T) {
	t.Parallel()
	for _, input := range []string{
		"constant", "${", "${body", "${}", "${ body}", "${Body}", "${unknown}", "${signature}", "${*}", "${body|}", "${body|rot13}", "${|hex}",
		"${body|hex|hex|hex|hex|hex}", "${json:}", "${json:$}", "${json:a}", "${json:$.a[*]}", "${json:$['a}b']}", "${json:$['a|hex']}",
		strings.Repeat("${body}", 33), "${body}" + strings.Repeat("x", 1024),
	} {
		_, violations := signature.New(over(input))
		if len(violations) != 1 || violations[0].Field != "input" || violations[0].Text == "" {
			t.Errorf("New with input %q: %v, want one about the input", input, violations)
		}
	}
}

func TestNeedsAreReported(t *testing.T) {
	t.Parallel()
	withID := over("${body}")
	withID.Headers["X-Id"] = "${id}"
	for _, tt := range []struct {
		name          string
		config        signature.Config
		plaintext, id bool
	}{
		{"the body alone needs nothing", over("${body}"), false, false},
		{"the plaintext", over("${plaintext|hex}"), true, false},
		{"a value of the plaintext", over("${json:$.a}"), true, false},
		{"an id that is signed", over("${id}"), false, true},
		{"an id that is sent", withID, false, true},
	} {
		s := compile(t, tt.config)
		if s.NeedsPlaintext() != tt.plaintext || s.NeedsID() != tt.id {
			t.Errorf("%s: NeedsPlaintext = %v, NeedsID = %v", tt.name, s.NeedsPlaintext(), s.NeedsID())
		}
	}
}
