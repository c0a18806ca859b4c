package auth

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// LoadTrust reads the files of the issuers' authorities anew. The function that it
// returns puts all of them in force, for the next time that an issuer's keys are
// fetched, which is soon if anything has changed. Tokens that were verified stay so
// for the minutes that they are remembered.
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
