package answer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
)

// Verify decrypts the message, or verifies its signature, and compares the result with the
// plaintext. If the message is deterministic, it also creates the message and compares it;
// otherwise, it decrypts a message that it created. Errors say where messages differ, and repeat
// nothing of them.
func (a Answer) Verify(l *preset.Library, now time.Time) error {
	config, direction, err := a.Pipeline(l, now)
	if err != nil {
		return err
	}
	p := config.Pipeline(direction)
	if p.NeedsExchange() && a.Exchange == nil {
		return errors.New("exchange: is required: the response is encrypted with the key of its request")
	}
	if err := a.opens(p, a.Body, Lower(a.Headers), a.Query, now); err != nil {
		return fmt.Errorf("open the message: %w", err)
	}
	in, err := a.Input(p.EncryptReferences(), a.Plaintext, nil, now)
	if err != nil {
		return err
	}
	sent, err := p.Encrypt(in)
	if err != nil {
		return fmt.Errorf("create a message: %w", err)
	}
	if !a.Deterministic {
		if err := a.opens(p, string(sent.Body), Came(sent.Headers), ByName(sent.Query), now); err != nil {
			return fmt.Errorf("open a message that was created: %w", err)
		}
		return nil
	}
	if err := same(string(sent.Body), a.Body); err != nil {
		return fmt.Errorf("create the message: the body %w", err)
	}
	if !maps.Equal(Came(sent.Headers), Lower(a.Headers)) {
		return fmt.Errorf("create the message: the headers differ: they are %s", names(Came(sent.Headers)))
	}
	if !maps.Equal(ByName(sent.Query), a.Query) {
		return fmt.Errorf("create the message: the query parameters differ: they are %s", names(ByName(sent.Query)))
	}
	return nil
}

// opens compares what a message decrypts to with the plaintext.
func (a Answer) opens(p *payload.Pipeline, body string, headers payload.Headers, query map[string]string, now time.Time) error {
	in, err := a.Received(p.DecryptReferences(), body, headers, query, now)
	if err != nil {
		return err
	}
	opened, err := p.Decrypt(in)
	if err != nil {
		if stage := payload.Stage(err); stage != "" {
			return fmt.Errorf("step %s: %w", stage, err)
		}
		return err
	}
	if err := same(string(opened.Body), a.Plaintext); err != nil {
		return fmt.Errorf("the result %w", err)
	}
	return nil
}

// same returns where two strings differ.
func same(got, want string) error {
	if got == want {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("differs at byte %d: it has %d bytes, want %d", at, len(got), len(want))
}

func names(headers map[string]string) string {
	if len(headers) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(headers)), ", ")
}

// Lower returns headers by lower-case name.
func Lower(headers map[string]string) payload.Headers {
	all := make(payload.Headers, len(headers))
	for name, value := range headers {
		all[strings.ToLower(name)] = value
	}
	return all
}

// Came returns headers as they arrive with a message.
func Came(headers []payload.Header) payload.Headers { return Lower(ByName(headers)) }

// ByName returns headers or query parameters by name.
func ByName(fields []payload.Header) map[string]string {
	all := make(map[string]string, len(fields))
	for _, f := range fields {
		all[f.Name] = f.Value
	}
	return all
}
