package signature

import (
	"slices"
	"testing"
)

func TestAnUnknownNameIsAnsweredWithTheKnownOnes(t *testing.T) {
	t.Parallel()
	const names = "timestamp, timestamp_ms, timestamp_rfc3339, id, body, plaintext, json:$.a, secret, method, host, path, query, content_type"
	const functions = "base64, base64url, hex, hex_upper, lower, upper, md5, sha1, sha256, sha384, sha512"
	for text, want := range map[string]string{
		"${timestmp}.${body}":                 "must not use the unknown name timestmp; available: " + names,
		"${body|crc32}":                       "must not use the unknown function crc32; available: " + functions,
		"${00112233445566778899aabbccddeeff}": "must not use an unknown name; available: " + names,
		"${a0011223344}":                      "must not use an unknown name; available: " + names,
		"${Body}":                             "must not use the unknown name Body; available: " + names,
	} {
		_, violations := New(Config{Scheme: NewHMAC(5), Input: text, Headers: map[string]string{"X-S": "${signature}"}, Encoding: 2})
		if !slices.ContainsFunc(violations, func(f Violation) bool { return f.Field == "input" && f.Text == want }) {
			t.Errorf("New(%s) = %v, want %q", text, violations, want)
		}
	}
}
