package kek

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/keyring"
)

// A Config selects the provider of the key-encryption key. Programs embed it in their own
// configuration. Exactly one of KeyFile and KeyProvider is required.
type Config struct {
	// KeyFile is the path of an existing file with the key-encryption key; the command
	// `create-key` creates one. It is the same as `key_provider: file:PATH`. Keep it apart from
	// backups of the data file: with both, everything opens.
	KeyFile string `yaml:"key_file"`
	// KeyProvider is the URI of the provider of the key-encryption key, such as
	// `aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID`.
	KeyProvider string `yaml:"key_provider"`
	// KeyProviders are the URIs of further providers that may be used: those that wrapped the
	// keys before a change of the provider. Default none.
	KeyProviders []string `yaml:"key_providers"`
}

// URI returns the URI of the provider for new keys.
func (c Config) URI() string {
	if c.KeyFile != "" {
		return fileURI(c.KeyFile)
	}
	return c.KeyProvider
}

// Providers returns the providers of a keyring.
func (c Config) Providers() keyring.Providers {
	return keyring.Providers{URI: c.URI(), Further: c.KeyProviders, Open: Open}
}

// Check returns all errors in the configuration. It opens no files.
func (c Config) Check() error {
	var errs []error
	switch {
	case (c.KeyFile == "") == (c.KeyProvider == ""):
		errs = append(errs, errors.New("key_file, key_provider: exactly one of them is required"))
	case c.KeyFile != "":
		if err := Check(fileURI(c.KeyFile)); err != nil {
			errs = append(errs, errors.New("key_file: must be the path of the key file"))
		}
	default:
		if err := Check(c.KeyProvider); err != nil {
			errs = append(errs, fmt.Errorf("key_provider: %w", err))
		}
	}
	for i, uri := range c.KeyProviders {
		if err := Check(uri); err != nil {
			errs = append(errs, fmt.Errorf("key_providers[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// CheckFiles reports problems with the files of the configuration, which must have passed Check. It
// contacts no provider.
func (c Config) CheckFiles(r *filecheck.Report) {
	for _, uri := range c.Providers().All() {
		p, err := parse(uri)
		if err == nil {
			err = p.checkFiles()
		}
		r.Fail(err)
	}
}
