//go:build !pkcs11

package kek

import "errors"

// errNoPKCS11 reports a build without cgo.
var errNoPKCS11 = errors.New("this build has no PKCS #11: build the programs with cgo and -tags=pkcs11")

func parsePKCS11(rest string) (provider, error) {
	if _, err := parseToken(rest); err != nil {
		return nil, err
	}
	return nil, errNoPKCS11
}
