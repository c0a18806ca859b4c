// Package kek provides key-encryption keys, which wrap the keys of a data file. A URI in the
// configuration selects the provider:
//
//	file:///etc/keyward/vault.kek                          a key in a file
//	passphrase:///etc/keyward/vault.pass                   a key derived from a passphrase in a file
//	aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID            AWS KMS
//	gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K   Google Cloud KMS
//	hcvault://HOST:8200/transit/keys/K                     the transit engine of Vault or OpenBao
//	pkcs11:token=T;object=K?module-path=…&pin-source=file:…    an AES key in a PKCS #11 token
//
// docs/key-providers.md describes each with its parameters.
//
// # Promises
//
//   - A URI contains no secret. Parameters that would hold one are refused, and so are unknown
//     parameters. Errors about a URI that was refused do not quote it.
//   - A ciphertext opens only with the key and the associated data that it was made with.
//   - An error that may go away by itself wraps [ErrUnavailable]. All others need an operator.
//   - Each operation ends with its context, and after [Timeout] at the latest. Only the derivation of a key
//     from a passphrase, whose cost is bounded, runs to its end.
//
// Remote clients are those of Tink, and nothing is cached: each operation reads credentials from
// where they are and asks the provider.
package kek

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/keyring"
)

// Timeout is the maximum duration of one operation of a provider, including its retries.
const Timeout = 10 * time.Second

// maxURI is the maximum length of a URI in bytes.
const maxURI = 2048

// ErrUnavailable reports a provider that is out of reach, overloaded, or temporarily unable to
// answer. The operation may succeed later without a change of the configuration.
var ErrUnavailable = keyring.ErrUnavailable

// Awaits returns what a program should wait for after an error, or an empty string if the error
// does not go away by itself.
func Awaits(err error) string {
	if errors.Is(err, ErrUnavailable) {
		return "the key provider"
	}
	return ""
}

// A provider is a parsed URI.
type provider interface {
	// open returns the AEAD of the key. Its errors need no URI.
	open(ctx context.Context) (tink.AEADWithContext, error)
	// checkFiles returns all problems with the files that the URI names.
	checkFiles() error
	// temporary reports whether an error of open or of the AEAD may go away by itself.
	temporary(error) bool
}

// Open returns the AEAD of the provider with a URI. It reads local files, and may contact the
// provider. An error that wraps [ErrUnavailable] may go away by itself; so may one of the AEAD.
//
// Associated data must not be empty, because not all providers authenticate empty associated
// data. The AEAD is safe for concurrent use.
func Open(ctx context.Context, uri string) (tink.AEADWithContext, error) {
	p, err := parse(uri)
	if err != nil {
		return nil, err
	}
	return open(ctx, uri, p)
}

func open(ctx context.Context, uri string, p provider) (tink.AEADWithContext, error) {
	opened := &guarded{uri: uri, provider: p}
	err := opened.run(ctx, "open", func(ctx context.Context) (err error) {
		opened.aead, err = p.open(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// Check reports whether a URI is well formed and whether this build supports it. It opens nothing.
func Check(uri string) error {
	_, err := parse(uri)
	return err
}

// schemes returns the parsers of URIs. A parser gets the text after the colon.
func schemes() map[string]func(rest string) (provider, error) {
	return map[string]func(string) (provider, error){
		"file":       parseFile,
		"passphrase": parsePassphrase,
		"aws-kms":    parseAWS,
		"gcp-kms":    parseGoogle,
		"hcvault":    parseTransit,
		"pkcs11":     parsePKCS11,
	}
}

func parse(uri string) (provider, error) {
	if len(uri) > maxURI {
		return nil, fmt.Errorf("must have at most %d characters", maxURI)
	}
	for _, r := range uri {
		if r <= ' ' || r >= 0x7f {
			return nil, errors.New("must consist of printable ASCII characters without spaces; write others as %XX")
		}
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	parser, ok := schemes()[scheme]
	if !ok {
		return nil, fmt.Errorf("must be a URI with one of the schemes %s", strings.Join(slices.Sorted(maps.Keys(schemes())), ", "))
	}
	p, err := parser(rest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", scheme, err)
	}
	return p, nil
}

// A guarded is the AEAD of a provider with a timeout and with classified errors.
type guarded struct {
	uri      string
	provider provider
	aead     tink.AEADWithContext
}

// Mistakes of callers, and a server that answers without a text.
var (
	errNoAssociatedData = errors.New("associated data must not be empty")
	errNoText           = errors.New("the text must not be empty")
)

// EncryptWithContext encrypts plaintext.
func (g *guarded) EncryptWithContext(ctx context.Context, plaintext, associatedData []byte) (ciphertext []byte, err error) {
	if err := check(plaintext, associatedData); err != nil {
		return nil, err
	}
	err = g.run(ctx, "encrypt", func(ctx context.Context) (err error) {
		ciphertext, err = g.aead.EncryptWithContext(ctx, plaintext, associatedData)
		return err
	})
	return ciphertext, err
}

// DecryptWithContext decrypts ciphertext.
func (g *guarded) DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) (plaintext []byte, err error) {
	if err := check(ciphertext, associatedData); err != nil {
		return nil, err
	}
	err = g.run(ctx, "decrypt", func(ctx context.Context) (err error) {
		plaintext, err = g.aead.DecryptWithContext(ctx, ciphertext, associatedData)
		if err == nil && len(plaintext) == 0 {
			return errNoText // Tink takes a response without a body for an empty text
		}
		return err
	})
	return plaintext, err
}

func check(text, associatedData []byte) error {
	switch {
	case len(associatedData) == 0:
		return errNoAssociatedData
	case len(text) == 0:
		return errNoText
	}
	return nil
}

// run runs an operation with the timeout.
func (g *guarded) run(ctx context.Context, what string, operation func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	err := operation(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s with key provider %s: %w", what, g.uri, ctx.Err())
	case limited.Err() != nil || g.provider.temporary(err):
		return fmt.Errorf("%s with key provider %s: %w: %w", what, g.uri, ErrUnavailable, err)
	}
	return fmt.Errorf("%s with key provider %s: %w", what, g.uri, err)
}
