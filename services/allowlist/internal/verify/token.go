package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/sensitive"
)

const (
	// week is the length of a period.
	week = 7 * 24 * time.Hour
	// remembered is the number of periods for which an expired token is distinguished from a wrong
	// one.
	remembered = 52

	dnsPrefix  = "_keyward-challenge."
	textPrefix = "keyward-challenge="
	filePath   = "/.well-known/keyward-challenge/"
)

// A Period is a week, counted from 1970. Zero means no period.
type Period int64

func periodOf(t time.Time) Period { return Period(t.Unix() / int64(week/time.Second)) }

// expiry returns the time when a token of the period can no longer establish a verification: the
// end of the next period.
func (p Period) expiry() time.Time { return time.Unix(int64(p+2)*int64(week/time.Second), 0).UTC() }

// A Challenge holds the proofs of which the partner publishes one. It is the same for all URLs of
// a workspace on one host, except for the port of the file.
type Challenge struct {
	// DNSName and DNSValue are a TXT record. They are empty for an IP address.
	DNSName, DNSValue string
	// FileURL and FileContent are a file.
	FileURL, FileContent string
	// WebToken is the key for responses to nonces, as a string.
	WebToken sensitive.Bytes
	// Expires is the time when another challenge replaces this one, which then verifies no new
	// endpoints.
	Expires time.Time
}

// Challenge returns the current challenge for a subject.
func (c *Checker) Challenge(s Subject) Challenge {
	now := periodOf(c.now())
	challenge := Challenge{
		FileURL: c.tokens.fileURL(s), FileContent: c.tokens.file(s, now),
		WebToken: sensitive.New([]byte(c.tokens.web(s, now))), Expires: now.expiry(),
	}
	if name, ok := dnsName(s); ok {
		challenge.DNSName, challenge.DNSValue = strings.TrimSuffix(name, "."), c.tokens.dns(s, now)
	}
	return challenge
}

// tokens derives tokens, so that none needs to be stored.
type tokens struct{ key [keyring.RootSize]byte }

func (t tokens) dns(s Subject, p Period) string  { return textPrefix + t.derive("dns", s, p) }
func (t tokens) file(s Subject, p Period) string { return t.derive("file", s, p) }
func (t tokens) web(s Subject, p Period) string  { return t.derive("web", s, p) }

// fileURL is the same in all periods, so that one request also finds an expired file.
func (t tokens) fileURL(s Subject) string {
	return s.Origin + filePath + t.derive("file id", s, 0)[:32]
}

// derive returns 32 bytes in hexadecimal. Each part is prefixed with its length, so that no two
// subjects have the same input.
func (t tokens) derive(kind string, s Subject, p Period) string {
	mac := hmac.New(sha256.New, t.key[:])
	for _, part := range []string{kind, s.Workspace, s.Host} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		mac.Write([]byte(part))
	}
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(p)))
	return hex.EncodeToString(mac.Sum(nil))
}

// answer returns the expected response to a nonce.
func answer(token, nonce string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(nonce))
	return hex.EncodeToString(mac.Sum(nil))
}

// dnsName returns the absolute name of the TXT record, if a host can have one.
func dnsName(s Subject) (string, bool) {
	name := dnsPrefix + s.Host + "."
	_, err := netip.ParseAddr(strings.Trim(s.Host, "[]"))
	return name, err != nil && len(name) <= 254
}
