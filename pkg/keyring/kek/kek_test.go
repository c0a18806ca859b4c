package kek_test

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/tink"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/keyring/kek/kektest"
)

var bound = []byte("keyring of a test")

// mustKeepPromises checks what all providers have in common.
func mustKeepPromises(t *testing.T, one, other tink.AEADWithContext) {
	t.Helper()
	key := bytes.Repeat([]byte{7}, 32)
	sealed, err := one.EncryptWithContext(t.Context(), key, bound)
	if err != nil {
		t.Fatalf("Encrypt() = %v", err)
	}
	if got, err := one.DecryptWithContext(t.Context(), sealed, bound); err != nil || !bytes.Equal(got, key) {
		t.Errorf("Decrypt() = %x, %v, want what was encrypted", got, err)
	}
	again, err := one.EncryptWithContext(t.Context(), key, bound)
	if err != nil || bytes.Equal(again, sealed) {
		t.Errorf("Encrypt() twice returns the same ciphertext (%v)", err)
	}
	refused := func(what string, aead tink.AEADWithContext, ciphertext, associated []byte) {
		t.Helper()
		got, err := aead.DecryptWithContext(t.Context(), ciphertext, associated)
		if err == nil || errors.Is(err, kek.ErrUnavailable) {
			t.Errorf("Decrypt() with %s = %x, %v, want an error that does not go away", what, got, err)
		}
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-3] ^= 1
	refused("other associated data", one, sealed, []byte("keyring of another"))
	refused("no associated data", one, sealed, nil)
	refused("a changed ciphertext", one, changed, bound)
	refused("a ciphertext that was cut off", one, sealed[:len(sealed)/2], bound)
	refused("no ciphertext", one, nil, bound)
	refused("another key", other, sealed, bound)
	if _, err := one.EncryptWithContext(t.Context(), key, nil); err == nil {
		t.Error("Encrypt() without associated data succeeds")
	}
}

// mustBeUnavailable checks an operation with a provider that is out of reach or overloaded.
func mustBeUnavailable(t *testing.T, what string, aead tink.AEADWithContext) {
	t.Helper()
	_, err := aead.EncryptWithContext(t.Context(), []byte("text"), bound)
	if !errors.Is(err, kek.ErrUnavailable) || kek.Awaits(err) == "" {
		t.Errorf("Encrypt() with %s = %v, want ErrUnavailable", what, err)
	}
	if err != nil && strings.Contains(err.Error(), kektest.Token) {
		t.Errorf("the error of %s contains the token: %v", what, err)
	}
}

// mustEndWithContext checks an operation whose caller gave up.
func mustEndWithContext(t *testing.T, aead tink.AEADWithContext) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := aead.DecryptWithContext(ctx, []byte("text"), bound)
	if !errors.Is(err, context.Canceled) || errors.Is(err, kek.ErrUnavailable) {
		t.Errorf("Decrypt() after its context ended = %v, want Canceled", err)
	}
}

func open(t *testing.T, uri string) tink.AEADWithContext {
	t.Helper()
	aead, err := kek.Open(t.Context(), uri)
	if err != nil {
		t.Fatalf("Open(%s) = %v", uri, err)
	}
	return aead
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyInAFile(t *testing.T) {
	t.Parallel()
	one, other := filepath.Join(t.TempDir(), "a key with spaces"), filepath.Join(t.TempDir(), "key")
	for _, path := range []string{one, other} {
		if err := kek.CreateFile(path); err != nil {
			t.Fatal(err)
		}
	}
	config := kek.Config{KeyFile: one}
	mustKeepPromises(t, open(t, config.URI()), open(t, "file://"+other))
}

func TestKeyInAWSKMS(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	fake := kektest.AWS(t)
	uri := func(arn string) string { return "aws-kms://" + arn + "?endpoint=http://" + fake.Addr }
	one := open(t, uri(kektest.AWSKey))
	mustKeepPromises(t, one, open(t, uri(kektest.AWSOther)))
	mustEndWithContext(t, one)
	for _, status := range []int32{429, 500, 503} {
		fake.Status.Store(status)
		mustBeUnavailable(t, "a busy server", one)
	}
	fake.Status.Store(403)
	if _, err := one.EncryptWithContext(t.Context(), []byte("text"), bound); err == nil || errors.Is(err, kek.ErrUnavailable) {
		t.Errorf("Encrypt() without permission = %v, want an error that does not go away", err)
	}
	fake.Stop()
	mustBeUnavailable(t, "a stopped server", one)
}

func TestKeyInGoogleCloudKMS(t *testing.T) {
	t.Parallel()
	var code codes.Code
	addr, stop := kektest.Google(t, &code)
	openGoogle := func(name string) tink.AEADWithContext {
		aead, err := kek.OpenGoogle(t.Context(), "gcp-kms://"+name+"?endpoint="+addr, option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
		if err != nil {
			t.Fatal(err)
		}
		return aead
	}
	one := openGoogle(kektest.GoogleKey)
	mustKeepPromises(t, one, openGoogle(kektest.GoogleOther))
	mustEndWithContext(t, one)
	code = codes.ResourceExhausted
	mustBeUnavailable(t, "a busy server", one)
	for _, denied := range []codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition} {
		code = denied
		if _, err := one.EncryptWithContext(t.Context(), []byte("text"), bound); err == nil || errors.Is(err, kek.ErrUnavailable) {
			t.Errorf("Encrypt() with %v = %v, want an error that does not go away", denied, err)
		}
	}
	stop()
	mustBeUnavailable(t, "a stopped server", one)
}

func TestKeyInTransit(t *testing.T) {
	t.Parallel()
	fake := kektest.Transit(t)
	token := write(t, "token", kektest.Token+"\n")
	uri := func(name string) string {
		return "hcvault://" + fake.Addr + "/transit/keys/" + name + "?token_file=" + url.PathEscape(token) + "&ca=" + url.PathEscape(fake.CA)
	}
	one := open(t, uri("keyward"))
	mustKeepPromises(t, one, open(t, uri("other")))
	mustEndWithContext(t, one)
	if _, err := open(t, uri("unbound")).EncryptWithContext(t.Context(), []byte("text"), bound); err == nil || errors.Is(err, kek.ErrUnavailable) {
		t.Errorf("Encrypt() by a server that ignores associated data = %v, want an error", err)
	}
	for _, status := range []int32{429, 500, 503} {
		fake.Status.Store(status)
		mustBeUnavailable(t, "a busy or sealed server", one)
	}
	fake.Status.Store(204) // Tink takes it for an empty plaintext
	if got, err := one.DecryptWithContext(t.Context(), []byte("vault:v1:AAAA"), bound); err == nil {
		t.Errorf("Decrypt() of an answer without content = %x, want an error", got)
	}
	fake.Status.Store(0)
	refused := func(what string) {
		t.Helper()
		_, err := one.EncryptWithContext(t.Context(), []byte("text"), bound)
		if err == nil || errors.Is(err, kek.ErrUnavailable) || strings.Contains(err.Error(), kektest.Token) {
			t.Errorf("Encrypt() with %s = %v, want an error that does not go away and has no token", what, err)
		}
	}
	for _, text := range []string{"", "another\n", kektest.Token + "\n" + kektest.Token, kektest.Token + "\x00"} {
		if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused("a wrong token")
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	mustBeUnavailable(t, "a token that an agent did not write yet", one)
	if err := os.WriteFile(token, []byte(kektest.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	stranger := kektest.Transit(t)
	if err := os.Rename(stranger.CA, fake.CA); err != nil {
		t.Fatal(err)
	}
	fake.Stop()
	mustBeUnavailable(t, "a stopped server", one)
}

func TestServerWithoutTrustedCertificateNeedsAnOperator(t *testing.T) {
	t.Parallel()
	fake := kektest.Transit(t)
	token := write(t, "token", kektest.Token)
	aead := open(t, "hcvault://"+fake.Addr+"/transit/keys/keyward?token_file="+url.PathEscape(token))
	_, err := aead.EncryptWithContext(t.Context(), []byte("text"), bound)
	if err == nil || errors.Is(err, kek.ErrUnavailable) {
		t.Errorf("Encrypt() = %v, want an error that does not go away", err)
	}
}

func TestKeyFromAPassphrase(t *testing.T) {
	t.Parallel()
	uri := func(text string) string { return "passphrase://" + url.PathEscape(write(t, "pass", text)) }
	one := open(t, strings.ReplaceAll(uri("correct horse battery staple\n"), "%2F", "/"))
	mustKeepPromises(t, one, open(t, strings.ReplaceAll(uri("correct horse battery stapler"), "%2F", "/")))
	sealed, err := one.EncryptWithContext(t.Context(), []byte("text"), bound)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sealed[:7], []byte{1, 0, 1, 0, 0, 3, 4}; !bytes.Equal(got, want) {
		t.Errorf("the ciphertext states the cost %x, want %x: 64 MiB, 3 passes, 4 lanes", got, want)
	}
	// A file that was changed must not make a start take all memory.
	for name, header := range map[string][]byte{
		"4 TiB": {1, 255, 255, 255, 255, 3, 4}, "no passes": {1, 0, 1, 0, 0, 0, 4}, "255 passes": {1, 0, 1, 0, 0, 255, 4},
		"no lanes": {1, 0, 1, 0, 0, 3, 0}, "another format": {2, 0, 1, 0, 0, 3, 4}, "less memory": {1, 0, 0, 0, 8, 3, 4},
	} {
		if _, err := one.DecryptWithContext(t.Context(), append(header, sealed[7:]...), bound); err == nil {
			t.Errorf("Decrypt() of a ciphertext that asks for %s succeeds", name)
		}
	}
}

func TestPassphraseFileIsCheckedLikeAKeyFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		want error
	}{
		"a passphrase":       {"sixteen letters.\n", 0o600, nil},
		"of other languages": {"ausgeprägtes Maß süß\r\n", 0o400, nil},
		"a short one":        {"fifteen letters\n", 0o600, kek.ErrPassphrase},
		"spaces at the end":  {"sixteen letters. \n", 0o600, kek.ErrPassphrase},
		"two lines":          {"sixteen letters.\nsixteen letters.\n", 0o600, kek.ErrPassphrase},
		"a tab":              {"sixteen\tletters.\n", 0o600, kek.ErrPassphrase},
		"not UTF-8":          {"sixteen letters\xff\xff", 0o600, kek.ErrPassphrase},
		"a book":             {strings.Repeat("sixteen letters.", 1000), 0o600, kek.ErrPassphrase},
		"readable by others": {"sixteen letters.\n", 0o644, kek.ErrKeyFileMode},
	} {
		path := write(t, "pass", test.text)
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		_, err := kek.Open(t.Context(), "passphrase://"+path)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: Open() = %v, want %v", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "letters") {
			t.Errorf("%s: the error repeats the passphrase: %v", name, err)
		}
	}
}
