package expression_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
)

// at is the time of the test's message.
var at = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// A values is the message of a test, by the name of the variable.
type values map[string]string

// Value returns the value of a variable.
func (v values) Value(of *expression.Variable) ([]byte, bool) {
	if of.Kind == expression.Time {
		return of.Layout.Append(nil, at), true
	}
	text, ok := v[of.String()]
	return []byte(text), ok
}

func sample() values {
	return values{
		"body": `{"b": [1e3, 0.10], "a": "é/\n", "n": null}`, "plaintext": "order=7&a=x+y&empty=&b=%26", "method": "POST", "host": "API.example.test",
		"path": "/v1/pay", "query": "b=2&a=x%20y&sign=s", "content_type": "text/plain", "id": "msg_1", "timestamp": "1796083200",
		"context('token')": "tok", "header('x-date')": "now", "named": "N",
	}
}

// scope is the scope of the tests.
func scope() expression.Scope {
	return expression.Scope{Constants: map[string]string{"client": "C1"}, Values: []string{"named"}, Secret: true, Random: true}
}

// evaluate returns the value of an expression.
func evaluate(t *testing.T, source, secret string, from values) (string, error) {
	t.Helper()
	p, violation := expression.Compile(source, scope())
	if violation != "" {
		t.Fatalf("Compile(%s): %s", source, violation)
	}
	b, err := p.Bind(from)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = b.Write(&out, []byte(secret))
	return out.String(), err
}

func TestExpressionsAreEvaluated(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`'a' + "b" + method`:        "abPOST",
		`client + named`:            "C1N",
		`body`:                      sample()["body"],
		`b'\x41' + method`:          "APOST",
		`'\n\t' + r'\n'`:            "\n\t\\n",
		`hex('Az')`:                 "417a",
		`hex_upper('Az')`:           "417A",
		`base64('??>')`:             "Pz8+",
		`base64url('??>?')`:         "Pz8-Pw",
		`unhex('417A')`:             "Az",
		`unbase64('Pz8-Pw==')`:      "??>?",
		`unbase64('Pz8+')`:          "??>",
		`percent('a b/~*é')`:        "a%20b%2F~%2A%C3%A9",
		`form_encode('a b/~*')`:     "a+b%2F%7E*",
		`lower(host) + upper(host)`: "api.example.testAPI.EXAMPLE.TEST",
		`slice('abcdef', 1, 3)`:     "bc",
		`slice('abcdef', -2, 99)`:   "ef",
		`between('<a>x</a>', '<a>', '</a>') + first(between(body, '<a>', '</a>'), '-')`: "x-",
		`slice('abcdef', 4, 2)`:              "",
		`size('abc') + '/' + size('')`:       "3/0",
		`crc32('123456789')`:                 "3421780262",
		`hex(md5(''))`:                       "d41d8cd98f00b204e9800998ecf8427e",
		`hex(sha1('abc'))`:                   "a9993e364706816aba3e25717850c26c9cd0d89d",
		`hex(sha256('abc'))`:                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		`hex(sha3_256('abc'))`:               "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
		`hex(blake2b_512('abc'))`:            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
		`json(body, '$.a')`:                  "é/\n",
		`json(body, '$.b[0]')`:               "1e3",
		`json(body, '$.n')`:                  "null",
		`join(members(body, '$'), '=', '&')`: "a=é/\n&b=[1e3, 0.10]&n=null",
		`join(members('{"o":{"b":1,"a":2}}', '$.o'), '=', '&')`:           "a=2&b=1",
		`join(form(query), '=', '&')`:                                     "a=x y&b=2&sign=s",
		`join(percent(omit(form(query), ['sign'])), '=', '&')`:            "a=x%20y&b=2",
		`join(select(form(query), ['b', 'a', 'z']), ':', ',')`:            "a:x y,b:2",
		`join(form_encode(without_empty(form(plaintext))), '=', '&')`:     "a=x+y&b=%26&order=7",
		`join(keys(form(query)), ',') + join(values(form(query)), ',')`:   "a,b,signx y,2,s",
		`get(form(plaintext), 'order') + get(form(plaintext), 'empty')`:   "7",
		`join(sorted(['b', 'B', 'a', 'aa']), '|')`:                        "B|a|aa|b",
		`join([], ',') + join(['x'], ',')`:                                "x",
		`first(json(body, '$.z'), 'none') + first(json(body, '$.a'), '')`: "noneé/\n",
		`first(header('X-Missing'), '-') + header('X-Date')`:              "-now",
		`first(get(form(query), 'z'), first(context('other'), '!'))`:      "!",
		`context('token')`:                       "tok",
		`canonical_json(body)`:                   `{"a":"é/\n","b":[1000,0.1],"n":null}`,
		`sorted_json(body)`:                      `{"a":"é/\n","b":[1e3,0.10],"n":null}`,
		`minify(body)`:                           `{"b":[1e3,0.10],"a":"é/\n","n":null}`,
		`time('2006-01-02T15:04:05Z07:00')`:      "2026-12-01T00:00:00Z",
		`time('20060102150405', '+05:30')`:       "20261201053000",
		`time('02 Jan 2006 MST')`:                "01 Dec 2026 UTC",
		`time('02 Jan 2006 MST', '+00:00')`:      "01 Dec 2026 +0000",
		`time('http', '+05:30')`:                 "Tue, 01 Dec 2026 00:00:00 GMT",
		`time('seconds') + time('milliseconds')`: "17960832001796083200000",
		// The MACs of RFC 4231, test case 2, and RFC 2202.
		`hex(hmac_sha256(secret, 'what do ya want ' + slice(named + 'for nothing?', 1, 99)))`: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		`hex(hmac_md5(secret, slice(named + 'what do ya want for nothing?', 1, 99)))`:         "750c783e6ab0b503eaa86e310a5db738",
		`hmac_sha1(secret, slice(named, 1, 1) + 'what do ya want for nothing?')`:              "\xef\xfc\xdfj\xe5\xeb/\xa2\xd2t\x16\xd5\xf1\x84\xdf\x9c%\x9a|y",
	} {
		got, err := evaluate(t, source, "Jefe", sample())
		if err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", source, got, err, want)
		}
	}
}

// TestASecretReachesResultsOnlyThroughDigests tries what would reveal a secret, or compare it.
func TestASecretReachesResultsOnlyThroughDigests(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`secret`, `secret + body`, `'x' + secret`, `body + (secret + '')`,
		`hex(secret)`, `base64(secret)`, `percent(secret)`, `form_encode(secret)`, `lower(secret)`, `upper(secret + body)`,
		`slice(secret, 0, 1)`, `size(secret)`, `crc32(secret)`, `json(secret, '$.a')`, `get(form(secret), 'a')`, `minify(secret)`, `canonical_json(secret)`,
		`join([secret], '')`, `join([body, secret], '')`, `join(sorted([secret, 'a']), '')`, `join(['a'], secret)`, `first(secret, 'x')`, `unhex(secret)`,
		`join(members(secret, '$'), '', '')`, `derive_hmac_sha256(secret, body)`, `hex(derive_hmac_sha256(secret, body))`, `derive_3des(secret, id)`,
		`[secret, body][0]`, `{"a": secret}.a`, `{"a": secret}["a"]`, `dyn(secret) == "guess"`, `secret == 'guess'`, `secret != body`, `secret < body`,
		`secret in ['a']`, `secret ? 'a' : 'b'`, `secret.startsWith('a')`, `secret.matches('a')`, `string(secret)`, `bytes(secret)`, `type(secret)`,
		`has(secret.a)`, `[secret].map(x, x)[0]`, `[secret].exists(x, x == 'a') ? 'a' : 'b'`, `'%s'.format([secret])`, `secret.a`, `secret[0]`,
		`slice(hex(hmac_sha256(secret, body)), 0, 8)`, `slice(hmac_sha256(secret, body), -8, -1)`,
		`sorted_sha1([secret], secret)`, `sorted_sha1(['a', id], secret)`, `sorted_sha1([json(plaintext, '$.a')], secret)`, `sorted_sha1([timestamp], secret + 'a')`,
		// Digests and MACs without anything of the message.
		`sha256(secret)`, `sha256(secret + 'salt')`, `hmac_sha256(secret, 'fixed')`, `hmac_sha256(secret, secret)`, `md5(client + secret)`,
		// The result of one MAC is the key of another.
		`hmac_sha256(secret, id) + hmac_sha256(derive_hmac_sha256(secret, id), body)`,
		`hmac_sha256(secret + 'a', id) + hmac_sha256(derive_hmac_sha256(secret, id), body)`,
		`hmac_sha256(derive_hmac_sha256(secret, hmac_sha256(secret, id)), body)`,
	} {
		if _, violation := expression.Compile(source, scope()); violation == "" {
			t.Errorf("Compile(%s) succeeded", source)
		} else if strings.Contains(violation, "guess") || strings.Contains(violation, "salt") {
			t.Errorf("Compile(%s): %s repeats the source", source, violation)
		}
	}
	without := scope()
	without.Secret = false
	if _, violation := expression.Compile(`hmac_sha256(secret, body)`, without); !strings.Contains(violation, "must not use secret") {
		t.Errorf("Compile with a secret out of scope: %s", violation)
	}
}

func TestViolationsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		``:                                  "must be an expression of at most 4,096 bytes and 512 terms: syntax error at line 1, column 1",
		"body +\n  )":                       "must be an expression of at most 4,096 bytes and 512 terms: syntax error at line 2, column 3",
		`'00112233445566778899aabbccddeeff`: "must be an expression of at most 4,096 bytes and 512 terms: syntax error at line 1, column 1",
		`bdy`:                               "must not use the unknown variable bdy; available: timestamp, timestamp_ms, timestamp_rfc3339, id, body, plaintext, method, host, path, query, content_type, secret, client, named, at line 1, column 1",
		`x00112233445566778899`:             "must not use an unknown variable; available: timestamp, timestamp_ms, timestamp_rfc3339, id, body, plaintext, method, host, path, query, content_type, secret, client, named, at line 1, column 1",
		`method + hexx(body)`:               "must not use the unknown function hexx; available: ",
		`'' + hex(sorted(['a']))`:           "must call hex as hex(text), not with a list, at line 1, column 6",
		`join(body)`:                        "must call join as join(list, string) or join(map, string, string), not with bytes, at line 1, column 1",
		`json(body, '$[*]')`:                "must have a path such as '$.a[0]' as the second argument of json, at line 1, column 1",
		`json(body, path)`:                  "must call json as json(text, 'fixed string'), not with bytes, a string, at line 1, column 1",
		`[body]`:                            "must have strings in a list, not bytes, at line 1, column 2",
		`sorted(['a'])`:                     "must be a string or bytes, not a list",
		`1 + 2`:                             "must add strings and bytes, not a number, at line 1, column 3",
		`1.5`:                               "must consist of variables, strings, lists of strings, +, and calls of functions, at line 1, column 1",
		`body.size()`:                       "must call functions as name(value), not as value.name(), at line 1, column 10",
		`nonce(4)`:                          "must have a number from 8 to 64 as the argument of nonce, at line 1, column 1",
		`'a' + nonce(8)`:                    "must use nonce only as a whole expression of values",
		`time('never')`:                     "must have a layout such as '2006-01-02T15:04:05Z07:00' as the first argument of time, at line 1, column 1",
		`time('2006', 'CET')`:               "must have an offset from UTC such as '+07:00' as the second argument of time, at line 1, column 1",
		`first(body, '')`:                   "must have json, get, between, header, or context as the first argument of first, at line 1, column 1",
		strings.Repeat("(", 200) + "body" + strings.Repeat(")", 200): "syntax error",
		`'` + strings.Repeat("a", 4096) + `'`:                        "syntax error",
		`body` + strings.Repeat(` + id`, 600):                        "syntax error",
	} {
		_, violation := expression.Compile(source, scope())
		if !strings.Contains(violation, want) || violation == "" {
			t.Errorf("Compile(%.40s) = %q, want %q", source, violation, want)
		}
	}
}

func TestMessagesWithoutAValueAreRefused(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`json(body, '$.z')`:                                  "json:$.z",
		`json(path, '$.z')`:                                  "json:$.z",
		`header('x-other')`:                                  "header('x-other')",
		`context('other')`:                                   "context('other')",
		`get(form(query), 'z')`:                              "get",
		`join(form('a=1&a=2'), '', '')`:                      "form",
		`join(form('a=%zz'), '', '')`:                        "form",
		`join(members(path, '$'), '', '')`:                   "json:$",
		`join(members('{"a":{}}', '$.b'), '', '')`:           "json:$.b",
		`join(members('{"a":1,"a":2}', '$'), '', '')`:        "members",
		`join(members('[1]', '$'), '', '')`:                  "members",
		`unhex(path)`:                                        "unhex",
		`unbase64('a=b')`:                                    "unbase64",
		`canonical_json('{"a":1,"a":2}')`:                    "canonical_json",
		`canonical_json('[1')`:                               "canonical_json",
		`minify(path)`:                                       "minify",
		`slice(hex(hmac_sha256(secret, body)), 0, -60)`:      "slice", // too short
		`between(path, '<a>', '</a>')`:                       "between",
		`slice(json(body, '$.a'), 1, 2)`:                     "slice",       // half of a character
		`base64(hmac_sha256(derive_3des(secret, id), body))`: "derive_3des", // a key that is too short
	} {
		var missing *expression.ValueError
		if _, err := evaluate(t, source, "short", sample()); !errors.As(err, &missing) || missing.Name() != want {
			t.Errorf("%s = %v, want that %s is missing", source, err, want)
		}
	}
}

func TestTheWorkOfAMessageIsBounded(t *testing.T) {
	t.Parallel()
	long := sample()
	long["body"] = strings.Repeat("a", 16<<20)
	for _, source := range []string{`hex(hex(hex(body)))`, `percent(percent(body))`, `join(sorted([hex(body), hex(body), hex(body)]), '')`, `canonical_json(body)`} {
		if _, err := evaluate(t, source, "", long); !errors.Is(err, expression.ErrTooLong) {
			t.Errorf("%s over 16 MiB = %v, want ErrTooLong", source, err)
		}
	}
	if _, err := evaluate(t, `hex(sha256(body))`, "", long); err != nil {
		t.Errorf("sha256 over 16 MiB = %v", err)
	}
}

func TestShownStringsHideSecrets(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`base64(hmac_sha256(secret, path + secret + id))`:                              "/v1/pay‹secret›msg_1",
		`hex(sha256(client + secret + id))`:                                            "C1‹secret›msg_1",
		`hmac_sha256(derive_hmac_sha256(secret, path), hex(sha256(secret + id)) + id)`: "‹secret›msg_1",
	} {
		p, violation := expression.Compile(source, scope())
		if violation != "" {
			t.Fatalf("Compile(%s): %s", source, violation)
		}
		b, err := p.Bind(sample())
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if b.Show(&got, "‹secret›"); got.String() != want {
			t.Errorf("%s is shown as %q, want %q", source, &got, want)
		}
	}
}

func TestChainsSayWhatIsDoneToTheSecret(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`hex(hmac_sha256(secret, path + body))`:        "HMAC-SHA256(of=message)",
		`base64(hmac_sha512(secret, body))`:            "HMAC-SHA512(of=message)",
		`hex(md5(body + secret))`:                      "SECRET-DIGEST-MD5(*S)",
		`hex(sha256(secret + body + id))`:              "SECRET-DIGEST-SHA256(S*)",
		`hmac_sha256(secret, body + secret)`:           "COMPUTED(hmac_sha256(S,*S))",
		`hmac_sha256(secret + '&', body)`:              "COMPUTED(hmac_sha256(S*,*))",
		`hmac_sha256(derive_3des(secret, id), body)`:   "COMPUTED(hmac_sha256(derive_3des(S,*),*))",
		`hmac_sha1(secret, id) + hmac_md5(secret, id)`: "HMAC-MD5(of=message) HMAC-SHA1(of=message)",
		`sorted_sha1([timestamp, named], secret)`:      "COMPUTED(sorted_sha1(*,S))",
	} {
		p, violation := expression.Compile(source, scope())
		if violation != "" {
			t.Fatalf("Compile(%s): %s", source, violation)
		}
		if got := strings.Join(p.Chains(), " "); got != want {
			t.Errorf("the chains of %s are %s, want %s", source, got, want)
		}
	}
}

// BenchmarkTerms assembles a string of ten terms around a body of 1 KiB and hashes it.
func BenchmarkTerms(b *testing.B) {
	from := sample()
	from["body"] = strings.Repeat("a", 1024)
	p, violation := expression.Compile(`method + '\n' + path + '\n' + host + '\n' + id + '\n' + hex(sha256(body)) + timestamp`, scope())
	if violation != "" {
		b.Fatal(violation)
	}
	var out bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		bound, err := p.Bind(from)
		if err != nil {
			b.Fatal(err)
		}
		out.Reset()
		if err := bound.Write(&out, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile compiles the signed string of AWS Signature Version 4.
func BenchmarkCompile(b *testing.B) {
	const source = `hex(hmac_sha256(derive_hmac_sha256(derive_hmac_sha256(derive_hmac_sha256(derive_hmac_sha256('AWS4' + secret, time('20060102')), client), client), 'aws4_request'), 'AWS4-HMAC-SHA256\n' + time('20060102T150405Z') + '\n' + named))`
	b.ReportAllocs()
	for b.Loop() {
		if _, violation := expression.Compile(source, scope()); violation != "" {
			b.Fatal(violation)
		}
	}
}
