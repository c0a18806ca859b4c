package auth

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// LoadTrust reads the files with the issuers' authorities. The returned function applies all of
// them to the next fetch of an issuer's keys, which is soon if anything has changed. Cached tokens
// remain valid until their cache entry expires.
func (a *Authenticator) LoadTrust() (adopt func(), err error) {
	pools := make(map[*issuer]*x509.CertPool, len(a.issuers))
	var errs []error
	for url, i := range a.issuers {
		pool, err := i.cfg.authorities()
		if err != nil {
			errs = append(errs, fmt.Errorf("issuer %s: %w", url, err))
		}
		pools[i] = pool
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return func() {
		for i, pool := range pools {
			i.trust(pool)
		}
	}, nil
}

// TrustFiles returns the paths of the files that [Authenticator.LoadTrust] reads.
func (a *Authenticator) TrustFiles() []string {
	var files []string
	for _, i := range a.issuers {
		if i.cfg.CAFile != "" {
			files = append(files, i.cfg.CAFile)
		}
	}
	return files
}
