package verify

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

const (
	// maxRecords is the maximum number of TXT records of a name that are examined.
	maxRecords = 100
	// nonceParameter is the query parameter with the nonce.
	nonceParameter = "keyward-nonce"
)

// checkDNS checks the TXT record. Other records of the name do not matter.
func (c *Checker) checkDNS(ctx context.Context, s Subject, accepted Period) (Period, error) {
	name, ok := dnsName(s)
	if !ok {
		return 0, failed(NotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	records, err := c.resolver.LookupTXT(ctx, name)
	var refused *net.DNSError
	if errors.As(err, &refused) && refused.IsNotFound || err == nil && len(records) == 0 {
		return 0, failed(NotFound)
	}
	if err != nil {
		return 0, failed(Unreachable)
	}
	records = records[:min(len(records), maxRecords)]
	return c.match(accepted, func(p Period) bool {
		want := c.tokens.dns(s, p)
		return slices.ContainsFunc(records, func(record string) bool { return same(record, want) })
	})
}

// checkFile checks the file.
func (c *Checker) checkFile(ctx context.Context, s Subject, accepted Period) (Period, error) {
	body, err := c.get(ctx, c.tokens.fileURL(s))
	if err != nil {
		return 0, err
	}
	content := strings.TrimSpace(body)
	return c.match(accepted, func(p Period) bool { return same(content, c.tokens.file(s, p)) })
}

// checkWeb sends a fresh nonce to the URL and checks the response.
func (c *Checker) checkWeb(ctx context.Context, s Subject, accepted Period) (Period, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	nonce := hex.EncodeToString(random)
	body, err := c.get(ctx, strings.TrimSuffix(s.URL, "*")+"?"+nonceParameter+"="+nonce)
	if err != nil {
		return 0, err
	}
	return c.match(accepted, func(p Period) bool { return same(body, answer(c.tokens.web(s, p), nonce)) })
}

// get returns a body, or an error with the outcome.
func (c *Checker) get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("prepare request: %w", err)
	}
	req.Header.Set("User-Agent", "Keyward")
	resp, err := c.client.Do(req)
	if errors.Is(err, dialguard.ErrForbidden) {
		return "", failed(ForbiddenAddress)
	}
	if err != nil {
		return "", failed(Unreachable)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests:
		return "", failed(Unreachable)
	case resp.StatusCode != http.StatusOK: // also for redirects, which may lead to the proof of another party
		return "", failed(NotFound)
	}
	body, err := io.ReadAll(resp.Body)
	if errors.Is(err, dialguard.ErrTooLarge) {
		return "", failed(Mismatch)
	}
	if err != nil {
		return "", failed(Unreachable)
	}
	return string(body), nil
}

// same compares in a time that does not reveal how much is right.
func same(found, want string) bool { return hmac.Equal([]byte(found), []byte(want)) }
