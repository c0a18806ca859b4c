package kek

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/tink-crypto/tink-go-gcpkms/v2/integration/gcpkms"
	"github.com/tink-crypto/tink-go/v2/tink"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A googleKey is the provider of a key in Google Cloud KMS, over gRPC. The client finds credentials
// as usual: in the file that GOOGLE_APPLICATION_CREDENTIALS names, or from the metadata of the
// machine. Each operation has a client of its own, because a client holds a connection.
type googleKey struct {
	name    string
	options []option.ClientOption
}

var googleName = regexp.MustCompile(
	`^projects/[A-Za-z0-9.:_-]+/locations/[A-Za-z0-9_-]+/keyRings/[A-Za-z0-9_-]+/cryptoKeys/[A-Za-z0-9_-]+$`)

func parseGoogle(rest string) (provider, error) {
	path, query, _ := strings.Cut(rest, "?")
	name, ok := strings.CutPrefix(path, "//")
	if !ok || !googleName.MatchString(name) {
		return nil, errors.New("must be //projects/P/locations/L/keyRings/R/cryptoKeys/K")
	}
	values, err := parameters(query, "endpoint")
	if err != nil {
		return nil, err
	}
	key := googleKey{name: name}
	if endpoint, ok := values["endpoint"]; ok {
		if err := checkHost(endpoint); err != nil {
			return nil, errors.New("parameter endpoint must be a host and a port, such as cloudkms.googleapis.com:443")
		}
		key.options = append(key.options, option.WithEndpoint(endpoint))
	}
	return key, nil
}

func (k googleKey) open(context.Context) (tink.AEADWithContext, error) { return k, nil }

func (googleKey) checkFiles() error { return nil }

// EncryptWithContext encrypts plaintext.
func (k googleKey) EncryptWithContext(ctx context.Context, plaintext, associatedData []byte) (out []byte, err error) {
	err = k.with(ctx, func(aead tink.AEADWithContext) (err error) {
		out, err = aead.EncryptWithContext(ctx, plaintext, associatedData)
		return err
	})
	return out, err
}

// DecryptWithContext decrypts ciphertext.
func (k googleKey) DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) (out []byte, err error) {
	err = k.with(ctx, func(aead tink.AEADWithContext) (err error) {
		out, err = aead.DecryptWithContext(ctx, ciphertext, associatedData)
		return err
	})
	return out, err
}

// with calls f with the AEAD of a client, and closes the client.
func (k googleKey) with(ctx context.Context, f func(tink.AEADWithContext) error) (err error) {
	uri := "gcp-kms://" + k.name
	client, err := gcpkms.NewClient(ctx, uri, gcpkms.WithGoogleAPIClientOptions(k.options...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	plain, err := client.GetAEAD(uri)
	if err != nil {
		return err
	}
	// GetAEADWithContext would return the same without the client, which could not be closed then.
	aead, ok := plain.(tink.AEADWithContext)
	if !ok {
		return errors.New("the client of Cloud KMS does not take contexts")
	}
	return f(aead)
}

// temporary counts a request whose token could not be fetched, too: the library reports it as
// UNAUTHENTICATED, while an answer of the API with that code says something else.
func (googleKey) temporary(err error) bool {
	if untrusted(err) || strings.Contains(err.Error(), "x509: ") {
		return false // gRPC keeps the text of the cause only
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Internal:
		return true
	case codes.Unauthenticated:
		return strings.Contains(err.Error(), "per-RPC creds failed") && strings.Contains(err.Error(), "dial tcp")
	}
	return unreachable(err)
}
