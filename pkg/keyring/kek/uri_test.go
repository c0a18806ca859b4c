package kek_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyring/kek"
)

const arn = "aws-kms://arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000001"

var goodURIs = []string{
	"file:///etc/keyward/vault.kek", "file:vault.kek", "file:keys/a%20key%3F", "passphrase:///etc/keyward/pass", "passphrase:pass",
	arn, arn + "?region=eu-west-1&endpoint=https://kms.example", arn + "?endpoint=http://127.0.0.1:8080",
	"aws-kms://arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/team/keyward",
	"gcp-kms://projects/p-1/locations/global/keyRings/r/cryptoKeys/k",
	"gcp-kms://projects/example.com:p/locations/eu/keyRings/r/cryptoKeys/k?endpoint=kms.example:443",
	"hcvault://vault.example:8200/transit/keys/k", "hcvault://[::1]:8200/a/b/keys/k?token_file=/run/token&ca=/etc/ca.pem&namespace=team/a",
}

// badURIs have "hunter2" where a person might put a secret.
var badURIs = []string{
	"", "hunter2", "hunter2:x", "vault.kek", "/etc/vault.kek", "FILE:///x", "http://vault",
	"file:", "file:///", "file://host/hunter2", "file:///x?mode=hunter2", "file:///x#hunter2", "file:/x%zz", "file:///x%00", "file:///dir/",
	"file:a b", "file:\x7f", "file:\n", "file:ö", "passphrase:", "passphrase:///x?salt=hunter2",
	"aws-kms:" + arn, "aws-kms://alias/hunter2", "aws-kms://arn:aws:s3:::hunter2", arn + "?", arn + "?hunter2", arn + "?hunter2!=1",
	arn + "?endpoint=http://kms.example", arn + "?endpoint=https://u:hunter2@kms.example", arn + "?endpoint=", arn + "?region=HUNTER2",
	arn + "?region=a&region=hunter2", arn + "?secret=hunter2", arn + "#hunter2", arn + "?endpoint=%zz",
	"gcp-kms://projects/p", "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
	"gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k?endpoint=https://hunter2",
	"hcvault://user:hunter2@host:8200/transit/keys/k", "hcvault://hunter2@host/transit/keys/k", "hcvault://host:8200/transit/k",
	"hcvault://host:8200/transit/keys/../k", "hcvault://host:8200/transit/keys/k/", "hcvault://host:99999/transit/keys/k",
	"hcvault:///transit/keys/k", "hcvault://host/transit/keys/k?token=hunter2", "hcvault://host/transit/keys/k?token_file=",
	"hcvault://host/../transit/keys/k", "hcvault://ho st/transit/keys/k", "hcvault://host/transit/keys/k?namespace=hunter2%20x",
	"pkcs11:", "pkcs11:token=t;object=o", "pkcs11:token=t;object=o?module-path=lib.so&pin-source=file:/pin",
	"pkcs11:token=t;object=o?module-path=/lib.so&pin-value=hunter2", "pkcs11:token=t;object=o;pin-value=hunter2?module-path=/lib.so",
	"pkcs11:token=t;object=o?module-path=/lib.so&pin-source=hunter2", "pkcs11:object=o?module-path=/lib.so&pin-source=file:/pin",
	"pkcs11:token=t;serial=1;object=o?module-path=/lib.so&pin-source=file:/pin", "pkcs11:token=t?module-path=/lib.so&pin-source=file:/pin",
	"pkcs11:token=t;object=o;type=private?module-path=/lib.so&pin-source=file:/pin", "file:" + strings.Repeat("x", 3000),
}

func TestURIs(t *testing.T) {
	t.Parallel()
	for _, uri := range goodURIs {
		if err := kek.Check(uri); err != nil {
			t.Errorf("Check(%q) = %v, want nil", uri, err)
		}
	}
	for _, uri := range badURIs {
		if uri == arn+"?" {
			continue // an empty query has no parameters
		}
		err := kek.Check(uri)
		if err == nil {
			t.Errorf("Check(%q) = nil, want an error", uri)
		} else if strings.Contains(strings.ToLower(err.Error()), "hunter2") {
			t.Errorf("Check(%q) repeats it: %v", uri, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, uri := range append(goodURIs, badURIs...) {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		err := kek.Check(uri)
		if err == nil && strings.ContainsAny(uri, "\x00\n @") && !strings.Contains(uri, "?") && !strings.HasPrefix(uri, "file:") &&
			!strings.HasPrefix(uri, "passphrase:") && !strings.HasPrefix(uri, "pkcs11:") {
			t.Errorf("Check(%q) = nil, want an error", uri)
		}
		for _, path := range []string{uri} {
			config := kek.Config{KeyFile: path}
			if path != "" && kek.Check(config.URI()) == nil && strings.ContainsAny(config.URI(), " \n\x00") {
				t.Errorf("the URI of %q is %q", path, config.URI())
			}
		}
	})
}

func TestConfigNamesExactlyOneProviderForNewKeys(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config kek.Config
		want   string // part of the error
	}{
		"a file":            {kek.Config{KeyFile: "vault.kek"}, ""},
		"a provider":        {kek.Config{KeyProvider: arn, KeyProviders: []string{"file:old.kek"}}, ""},
		"none":              {kek.Config{}, "key_file, key_provider: exactly one"},
		"both":              {kek.Config{KeyFile: "vault.kek", KeyProvider: arn}, "key_file, key_provider: exactly one"},
		"only a further":    {kek.Config{KeyProviders: []string{arn}}, "key_file, key_provider: exactly one"},
		"a broken provider": {kek.Config{KeyProvider: "vault.kek"}, "key_provider: must be a URI"},
		"a broken further":  {kek.Config{KeyFile: "vault.kek", KeyProviders: []string{arn, "x"}}, "key_providers[1]: must be a URI"},
		"a folder":          {kek.Config{KeyFile: "keys/.."}, ""},
	} {
		err := test.config.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: Check() = %v, want %q", name, err, test.want)
		}
	}
	config := kek.Config{KeyFile: "/etc/a key?", KeyProviders: []string{arn}}
	if got := strings.Join(config.Providers().All(), " "); got != "file:///etc/a%20key%3F "+arn {
		t.Errorf("All() = %s", got)
	}
}
