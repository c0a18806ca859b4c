package signature_test

import (
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

func TestAListLetsARotationTakeItsTime(t *testing.T) {
	t.Parallel()
	before, after, foreign := any([]byte("before")), any([]byte("after")), any([]byte("foreign"))
	for name, config := range map[string]signature.Config{"Standard Webhooks": standardWebhooks(), "Stripe": stripe()} {
		s := compile(t, config)
		both := received(sign(t, s, []any{after, before}, webhook()))
		for _, tt := range []struct {
			name string
			keys []any
			want int
			err  error
		}{
			{"a receiver with the old key only", []any{before}, 0, nil},
			{"a receiver with the new key only", []any{after}, 0, nil},
			{"a receiver with both, the new one first", []any{after, before}, 0, nil},
			{"a receiver with another key, too", []any{foreign, before}, 1, nil},
			{"a receiver with neither key", []any{foreign}, 0, signature.ErrInvalid},
		} {
			got, err := s.Verify(tt.keys, webhook(), both)
			if !errors.Is(err, tt.err) || got.Key != tt.want {
				t.Errorf("%s, %s: Verify = key %d, %v, want key %d, %v", name, tt.name, got.Key, err, tt.want, tt.err)
			}
		}
	}
}

func TestWithoutAListTheFirstKeySigns(t *testing.T) {
	t.Parallel()
	s := compile(t, over(""))
	sent := sign(t, s, []any{[]byte("after"), []byte("before")}, webhook())
	if diff := cmp.Diff(sign(t, s, []any{[]byte("after")}, webhook()), sent); diff != "" {
		t.Errorf("Sign with two keys (-first only +got):\n%s", diff)
	}
	if _, err := s.Sign(nil, []any{[]byte("after"), "no key"}, webhook()); err != nil {
		t.Errorf("Sign with a second key that does not fit = %v", err)
	}
	if got, err := s.Verify([]any{[]byte("before"), []byte("after")}, webhook(), received(sent)); err != nil || got.Key != 1 {
		t.Errorf("Verify = key %d, %v, want key 1", got.Key, err)
	}
}

func TestListsAreReadWithPatience(t *testing.T) {
	t.Parallel()
	hooks, pay := compile(t, standardWebhooks()), compile(t, stripe())
	key := []any{[]byte("k")}
	good := sign(t, hooks, key, webhook())["webhook-signature"]
	_, hex, _ := strings.Cut(sign(t, pay, key, webhook())["Stripe-Signature"], ",")
	filler := func(n int, item, separator string) string { return strings.Repeat(item+separator, n) }
	for _, tt := range []struct {
		name, hooks, stripe string
		ok                  bool
	}{
		{"one", good, hex, true},
		{"other versions before it", "v0,AAAA v2,%% v1a,abcd " + good, "v0=00,v2=%%," + hex, true},
		{"other versions after it", good + " v1a,abcd", hex + ",v0=00", true},
		{"another signature before it", "v1,AAAA " + good, "v1=00," + hex, true},
		{"undecodable text before it", "v1,A v1,*** v1, " + good, "v1=0,v1=zz,v1=," + hex, true},
		{"white space around", "  " + good + "  ", " " + hex + " ", true},
		{"white space between", "v1,AAAA   " + good, "v1=00 , \t" + hex, true},
		{"the header twice", good + ", " + good, hex + ", t=1767366245," + hex, true},
		{"many others", filler(500, "v0,AAAA", " ") + good, filler(500, "v0=00", ",") + hex, true},
		{"as many of ours as may be", filler(15, "v1,AAAA", " ") + good, filler(15, "v1=00", ",") + hex, true},
		{"too many of ours", filler(16, "v1,AAAA", " ") + good, filler(16, "v1=00", ",") + hex, false},
		{"a header that is too long", filler(3000, "v0,AAAA", " ") + good, filler(3000, "v0=00", ",") + hex, false},
		{"others only", "v1a,abcd", "v0=00", false},
		{"nothing", "", "", false},
		{"separators only", "   ", ",,,", false},
		{"an item without its version", strings.TrimPrefix(good, "v1,"), strings.TrimPrefix(hex, "v1="), false},
		{"another separator", "v1,AAAA," + good, "v1=00 " + hex, false},
	} {
		check := func(s *signature.Signer, headers map[string]string) {
			t.Helper()
			_, err := s.Verify(key, webhook(), received(headers))
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, signature.ErrInvalid) {
				t.Errorf("%s: Verify of %.100q = %v, want ok %v", tt.name, headers, err, tt.ok)
			}
		}
		check(hooks, map[string]string{"webhook-id": "msg_1", "webhook-timestamp": "1767366245", "webhook-signature": tt.hooks})
		check(pay, map[string]string{"stripe-signature": "t=1767366245," + tt.stripe})
	}
}

func TestTheToleranceGoesBothWays(t *testing.T) {
	t.Parallel()
	key := []any{[]byte("k")}
	for _, form := range []string{"timestamp", "timestamp_ms", "timestamp_rfc3339"} {
		c := over("${" + form + "}.${body}")
		c.Headers["X-Time"] = "${" + form + "}"
		s := compile(t, c)
		sent := received(sign(t, s, key, webhook()))
		for _, tt := range []struct {
			name string
			now  time.Duration
			want error
		}{
			{"at once", 0, nil},
			{"four minutes later", 4 * time.Minute, nil},
			{"four minutes earlier", -4 * time.Minute, nil},
			{"six minutes later", 6 * time.Minute, signature.ErrInvalid},
			{"six minutes earlier", -6 * time.Minute, signature.ErrInvalid},
			{"centuries later", 250 * 365 * 24 * time.Hour, signature.ErrInvalid},
		} {
			m := webhook()
			m.Time = now().Add(tt.now)
			if got, err := s.Verify(key, m, sent); !errors.Is(err, tt.want) || err == nil && got.Time.Unix() != now().Unix() {
				t.Errorf("Verify with ${%s} %s = %v, %v, want %v", form, tt.name, got.Time, err, tt.want)
			}
		}
	}
}

func TestTimesAreSignedAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	key := []any{[]byte("k")}
	for _, tt := range []struct {
		name, form, text string
		ok               bool
	}{
		{"seconds", "timestamp", "1767366245", true},
		{"seconds with a zero in front", "timestamp", "01767366245", true},
		{"seconds with a sign", "timestamp", "+1767366245", false},
		{"seconds before 1970", "timestamp", "-1767366245", false},
		{"seconds with a fraction", "timestamp", "1767366245.5", false},
		{"seconds of twenty digits", "timestamp", "00000000001767366245", false},
		{"milliseconds where seconds belong", "timestamp", "1767366245678", false},
		{"no digits", "timestamp", "", false},
		{"digits of another script", "timestamp", "١٧٦٧٣٦٦٢٤٥", false},
		{"milliseconds", "timestamp_ms", "1767366245999", true},
		{"seconds where milliseconds belong", "timestamp_ms", "1767366245", false},
		{"a time in UTC", "timestamp_rfc3339", "2026-01-02T15:04:05Z", true},
		{"a time with a fraction", "timestamp_rfc3339", "2026-01-02T15:04:05.123456Z", true},
		{"a time with an offset", "timestamp_rfc3339", "2026-01-02T20:34:05+05:30", true},
		{"a time that was an hour ago", "timestamp_rfc3339", "2026-01-02T15:04:05+01:00", false},
		{"a day", "timestamp_rfc3339", "2026-01-02", false},
		{"a time with a long fraction", "timestamp_rfc3339", "2026-01-02T15:04:05." + strings.Repeat("0", 40) + "Z", false},
	} {
		m := webhook()
		m.Body = []byte(tt.text + "." + string(m.Body))
		mac := sign(t, compile(t, over("${body}")), key, m)["X-Signature"]
		c := over("${" + tt.form + "}.${body}")
		c.Headers["X-Time"] = "${" + tt.form + "}"
		_, err := compile(t, c).Verify(key, webhook(), received(map[string]string{"x-time": tt.text, "x-signature": mac}))
		if (err == nil) != tt.ok {
			t.Errorf("%s: Verify = %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

func TestRepeatedValuesMustAgree(t *testing.T) {
	t.Parallel()
	c := over("${timestamp}.${id}.${body}")
	c.Headers["X-Time"], c.Headers["X-Time-Ms"], c.Headers["X-Request"] = "${timestamp}", "${timestamp_ms}", "${id}/${timestamp}"
	s, key := compile(t, c), []any{[]byte("k")}
	sent := sign(t, s, key, webhook())
	got, err := s.Verify(key, webhook(), received(sent))
	if want := now().Truncate(time.Millisecond); err != nil || !got.Time.Equal(want) {
		t.Errorf("Verify = %v, %v, want %v", got.Time, err, want)
	}
	for name, other := range map[string]string{"X-Time": "1767366246", "X-Time-Ms": "1767366246000", "X-Request": "msg_1/1767366246"} {
		changed := map[string]string{"X-Time": sent["X-Time"], "X-Time-Ms": sent["X-Time-Ms"], "X-Request": sent["X-Request"], "X-Signature": sent["X-Signature"]}
		changed[name] = other
		if _, err := s.Verify(key, webhook(), received(changed)); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("Verify with %s: %s = %v, want ErrInvalid", name, other, err)
		}
	}
}

func TestOnlySignedValuesAreVerified(t *testing.T) {
	t.Parallel()
	c := over("${body}")
	c.Headers["X-Time"], c.Headers["X-Id"] = "${timestamp}", "${id}"
	s, key := compile(t, c), []any{[]byte("k")}
	sent := sign(t, s, key, webhook())
	sent["X-Id"] = "msg_2"
	got, err := s.Verify(key, webhook(), received(sent))
	if diff := cmp.Diff(signature.Verified{}, got); diff != "" || err != nil {
		t.Errorf("Verify with an unsigned ID = %v, (-want +got):\n%s", err, diff)
	}
	sent["X-Time"] = "1767360000"
	if _, err := s.Verify(key, webhook(), received(sent)); !errors.Is(err, signature.ErrInvalid) {
		t.Errorf("Verify of an old unsigned time = %v, want ErrInvalid", err)
	}
}

func TestAnIDEndsWhereTheHeaderGoesOn(t *testing.T) {
	t.Parallel()
	c := over("${id}")
	c.Headers["X-Request"] = `id="${id}";t=${timestamp}`
	s, key := compile(t, c), []any{[]byte("k")}
	m := webhook()
	m.ID = "a,b;c=d/+!~"
	got, err := s.Verify(key, m, received(sign(t, s, key, m)))
	if err != nil || got.ID != m.ID {
		t.Errorf("Verify = %q, %v, want %q", got.ID, err, m.ID)
	}
	m.ID = `a"b`
	var unusable *signature.ValueError
	if _, err := s.Sign(nil, key, m); !errors.As(err, &unusable) || unusable.Name() != "id" {
		t.Errorf("Sign with an ID that contains its end = %v, want an unusable ID", err)
	}
	for _, id := range []string{"", "two words", "é", strings.Repeat("x", 129)} {
		headers := map[string]string{"x-request": `id="` + id + `";t=1767366245`, "x-signature": "00"}
		if _, err := s.Verify(key, webhook(), received(headers)); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("Verify of the id %.20q = %v, want ErrInvalid", id, err)
		}
	}
}

func TestHeadersWithoutAPlaceholderAreSentAndNotLookedAt(t *testing.T) {
	t.Parallel()
	c := over("")
	c.Headers["X-Version"], c.Headers["X-Any"] = "2", "any${*}"
	s, key := compile(t, c), []any{[]byte("k")}
	sent := sign(t, s, key, webhook())
	if sent["X-Version"] != "2" || sent["X-Any"] != "any" {
		t.Errorf("Sign = %v, want X-Version: 2 and X-Any: any", sent)
	}
	delete(sent, "X-Version")
	delete(sent, "X-Any")
	if _, err := s.Verify(key, webhook(), received(sent)); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestHeadersThatAreNoneAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*signature.Config)
		field  string
	}{
		{"no signature", header("v1"), "headers"},
		{"the signature twice", header("${signature}.${signature}"), "headers"},
		{"a list that is not configured", header("${signatures}"), "headers"},
		{"another placeholder", header("${signature}${body}"), "headers"},
		{"a function", header("${signature|hex}"), "headers"},
		{"a placeholder that is not closed", header("${signature"), "headers"},
		{"two placeholders that touch", header("${timestamp}${signature}"), "headers"},
		{"a literal that a time may contain", header("${timestamp}0${signature}"), "headers"},
		{"a literal that the signature may contain", header("${signature}a"), "headers"},
		{"a line end", header("a\r\nb: ${signature}"), "headers"},
		{"a character beyond ASCII", header("é${signature}"), "headers"},
		{"a blank in front", header(" ${signature}"), "headers"},
		{"a value that is too long", header(strings.Repeat("x", 250) + "${signature}"), "headers"},
		{"a time in another form than the signed one", func(c *signature.Config) {
			c.Input, c.Headers["X-Time"] = "${timestamp_ms}", "${timestamp}"
		}, "input"},
		{"the signature in two headers", func(c *signature.Config) { c.Headers["X-Second"] = "${signature}" }, "headers"},
		{"a list that continues", list("v1=${signature}", ",", "${signatures};t=${timestamp}"), "headers"},
		{"one signature in addition to a list", list("v1=${signature}", ",", "${signature}"), "headers"},
		{"an item without signature", list("v1", ",", "${signatures}"), "list.item"},
		{"an item with two signatures", list("${signature},${signature}", ";", "${signatures}"), "list.item"},
		{"an item with a time", list("${timestamp}.${signature}", ";", "${signatures}"), "list.item"},
		{"an item with a line end", list("a\n${signature}", ";", "${signatures}"), "list.item"},
		{"an empty separator", list("v1=${signature}", "", "${signatures}"), "list.separator"},
		{"a separator that an item contains", list("v1,${signature}", ",", "${signatures}"), "list.separator"},
		{"a separator that a signature may contain", list("v1,${signature}", "a", "${signatures}"), "list.separator"},
		{"a separator that is a line end", list("v1,${signature}", "\n", "${signatures}"), "list.separator"},
		{"a separator beyond ASCII", list("v1,${signature}", "é", "${signatures}"), "list.separator"},
	} {
		c := over("")
		tt.change(&c)
		if _, violations := signature.New(c); len(violations) != 1 || violations[0].Field != tt.field || violations[0].Text == "" {
			t.Errorf("New with %s: %v, want one about %s", tt.name, violations, tt.field)
		}
	}
}

func header(value string) func(*signature.Config) {
	return func(c *signature.Config) { c.Headers = map[string]string{"X-Signature": value} }
}

func list(item, separator, value string) func(*signature.Config) {
	return func(c *signature.Config) {
		c.List, c.Headers = &signature.List{Item: item, Separator: separator}, map[string]string{"X-Signature": value}
	}
}

func TestAllFindingsComeAtOnce(t *testing.T) {
	t.Parallel()
	_, violations := signature.New(signature.Config{
		Scheme: signature.NewHMAC(crypto.SHA256), Input: "${nothing}", Encoding: template.Raw,
		Headers: map[string]string{"X": "none"}, List: &signature.List{},
	})
	var fields []string
	for _, f := range violations {
		fields = append(fields, f.Field)
	}
	if diff := cmp.Diff([]string{"input", "encoding", "list.item", "list.separator", "headers"}, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestAListOfDetachedSignatures(t *testing.T) {
	t.Parallel()
	c := over("")
	c.Scheme = signature.JWS{JWS: jose.JWS{Alg: "HS256"}}
	c.List, c.Headers = &signature.List{Item: "${signature}", Separator: ","}, map[string]string{"X-Jws": "${signatures}"}
	s := compile(t, c)
	before, after := any([]byte(strings.Repeat("b", 32))), any([]byte(strings.Repeat("a", 32)))
	sent := received(sign(t, s, []any{after, before}, webhook()))
	if _, err := s.Verify([]any{before}, webhook(), sent); err != nil {
		t.Errorf("Verify with the old key = %v", err)
	}
}
