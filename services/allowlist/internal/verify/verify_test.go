package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
	"github.com/keyward/keyward/services/allowlist/internal/verify"
)

var (
	subject = verify.Subject{Workspace: "acme", Host: "api.example", Origin: "https://api.example:8443", URL: "https://api.example:8443/a"}
	moment  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

func checker(key byte, now time.Time) *verify.Checker {
	resolver := dialguard.NewResolver()
	return verify.NewChecker(verify.Options{
		Key: [32]byte{key}, Guard: dialguard.New(dialguard.Options{Resolver: resolver}), Resolver: resolver,
		Now: func() time.Time { return now },
	})
}

// tokens returns all parts of a challenge that are secret or prove something.
func tokens(c verify.Challenge) []string {
	return []string{c.DNSValue, c.FileContent, string(c.WebToken.Reveal())}
}

func TestTokensBelongToOneWorkspaceHostWeekAndUse(t *testing.T) {
	t.Parallel()
	other := func(change func(*verify.Subject)) verify.Subject {
		s := subject
		change(&s)
		return s
	}
	seen := make(map[string]string)
	for name, c := range map[string]verify.Challenge{
		"this":              checker(1, moment).Challenge(subject),
		"another key":       checker(2, moment).Challenge(subject),
		"another week":      checker(1, moment.AddDate(0, 0, 7)).Challenge(subject),
		"another workspace": checker(1, moment).Challenge(other(func(s *verify.Subject) { s.Workspace = "other" })),
		"another host":      checker(1, moment).Challenge(other(func(s *verify.Subject) { s.Host = "b.example" })),
		"the same letters":  checker(1, moment).Challenge(other(func(s *verify.Subject) { s.Workspace, s.Host = "acmea", "pi.example" })),
	} {
		for i, token := range tokens(c) {
			token = strings.TrimPrefix(token, "keyward-challenge=")
			if before, again := seen[token]; again || len(token) != 64 {
				t.Errorf("token %d of %s is %q, as of %s", i, name, token, before)
			}
			seen[token] = name
		}
	}
}

func TestAChallengeIsTheSameForAllURLsOfAHost(t *testing.T) {
	t.Parallel()
	this := checker(1, moment).Challenge(subject)
	if this.DNSName != "_keyward-challenge.api.example" || !strings.HasPrefix(this.FileURL, "https://api.example:8443/.well-known/keyward-challenge/") {
		t.Errorf("Challenge = %q, %q", this.DNSName, this.FileURL)
	}
	s := subject
	s.Origin, s.URL = "https://api.example", "https://api.example/b"
	later := checker(1, moment.Add(time.Hour)).Challenge(s)
	if fmt.Sprint(tokens(this)) != fmt.Sprint(tokens(later)) || !this.Expires.Equal(later.Expires) {
		t.Error("another URL of the host has another challenge")
	}
	if want := strings.Replace(this.FileURL, ":8443", "", 1); later.FileURL != want {
		t.Errorf("FileURL = %q, want %q", later.FileURL, want)
	}
	for _, host := range []string{"127.0.0.1", "[2001:db8::1]", strings.Repeat("a.", 120) + "example"} {
		s.Host = host
		if c := checker(1, moment).Challenge(s); c.DNSName != "" || c.DNSValue != "" {
			t.Errorf("%s has the record %q", host, c.DNSName)
		}
	}
}

func TestAWebTokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	c := checker(1, moment).Challenge(subject)
	if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, string(c.WebToken.Reveal())) {
		t.Errorf("a challenge prints as %s", text)
	}
}

func TestACanceledCallHasNoOutcome(t *testing.T) {
	t.Parallel()
	canceled, leave := context.WithCancel(t.Context())
	leave()
	for _, method := range []verify.Method{verify.DNS, verify.File, verify.WebToken} {
		if _, err := checker(1, moment).Check(canceled, method, subject, 0); !errors.Is(err, context.Canceled) || fault.Is(err, verify.ReasonFailed) {
			t.Errorf("Check by %s = %v, want the context's error", method, err)
		}
	}
	if _, err := checker(1, moment).Check(t.Context(), "telepathy", subject, 0); err == nil || fault.Is(err, verify.ReasonFailed) {
		t.Errorf("Check by an unknown method = %v, want an error that is not a fault", err)
	}
}
