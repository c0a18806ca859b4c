// Package filecheck reports problems with the files of a configuration: missing files, keys that
// do not belong to their certificates, and expired certificates.
//
// The programs' `check --files` prints the contents of a [Report]. Errors prevent a program from
// starting or serving. Warnings report settings that work but are probably mistakes. Neither
// quotes the content of files.
package filecheck

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"golang.org/x/sys/unix"

	"github.com/keyward/keyward/pkg/accesslog"
	"github.com/keyward/keyward/pkg/auth"
)

// soon is the remaining lifetime of a certificate below which it gets a warning.
const soon = 7 * 24 * time.Hour

// A Report collects the problems with the files of a configuration.
type Report struct {
	now      time.Time
	errs     []error
	warnings []string
}

// New returns an empty report. Certificates must be valid at the given time.
func New(now time.Time) *Report { return &Report{now: now} }

// Fail adds an error, unless it is nil. The program would not start or not serve.
func (r *Report) Fail(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// Warn adds a warning about a setting that works but is probably a mistake.
func (r *Report) Warn(text string) { r.warnings = append(r.warnings, text) }

// Errors returns the errors in the order in which they were added.
func (r *Report) Errors() []error { return r.errs }

// Warnings returns the warnings in the order in which they were added.
func (r *Report) Warnings() []string { return r.warnings }

// KeyPair reports a certificate and a key that cannot be read or do not belong together, and a
// certificate that is not valid now. It warns about a certificate that expires within a week, or
// within the last tenth of its lifetime if that is shorter.
func (r *Report) KeyPair(field, certificate, key string) { r.keyPair(field, certificate, key) }

// Workload is KeyPair for a certificate that must have a SPIFFE ID.
func (r *Report) Workload(field, certificate, key string) {
	cert := r.keyPair(field, certificate, key)
	if cert == nil {
		return
	}
	if _, err := x509svid.IDFromCert(cert); err != nil {
		r.Fail(fmt.Errorf("%s: the certificate does not name exactly one workload", field))
	}
}

// keyPair returns the certificate, or nil if it does not match the key.
func (r *Report) keyPair(field, certificate, key string) *x509.Certificate {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", field, err))
		return nil
	}
	r.validity(field, pair.Leaf)
	return pair.Leaf
}

func (r *Report) validity(field string, cert *x509.Certificate) {
	margin := min(soon, cert.NotAfter.Sub(cert.NotBefore)/10)
	switch {
	case r.now.After(cert.NotAfter):
		r.Fail(fmt.Errorf("%s: the certificate expired at %s", field, cert.NotAfter.Format(time.RFC3339)))
	case r.now.Before(cert.NotBefore):
		r.Fail(fmt.Errorf("%s: the certificate is not valid before %s", field, cert.NotBefore.Format(time.RFC3339)))
	case r.now.Add(margin).After(cert.NotAfter):
		r.Warn(fmt.Sprintf("%s: the certificate expires at %s", field, cert.NotAfter.Format(time.RFC3339)))
	}
}

// Authorities reports a file without a currently valid certificate authority, and warns about a
// file in which some authorities are not valid; files may keep old ones for some time. An empty
// path is not checked.
func (r *Report) Authorities(field, path string) {
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", field, err))
		return
	}
	authorities, err := auth.ParseAuthorities(text)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", field, err))
		return
	}
	valid := 0
	for _, cert := range authorities {
		if !r.now.Before(cert.NotBefore) && !r.now.After(cert.NotAfter) {
			valid++
		}
	}
	switch {
	case valid == 0:
		r.Fail(fmt.Errorf("%s: no authority in the file is valid now", field))
	case valid < len(authorities):
		r.Warn(fmt.Sprintf("%s: %d authorities in the file are not valid now", field, len(authorities)-valid))
	}
}

// DataFile reports a data file that could not be opened or created. It does not open the file,
// because a running program holds it.
func (r *Report) DataFile(field, path string) {
	r.writable(field, path, func(path string) error {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is not a regular file")
		}
		return err
	})
}

// AccessLog reports an access log that could not be opened or created. An empty path is not
// checked.
func (r *Report) AccessLog(field, path string) {
	if path != "" {
		r.writable(field, path, accesslog.CheckFile)
	}
}

// writable reports the error of an existing file, or a file that could not be created.
func (r *Report) writable(field, path string, check func(path string) error) {
	err := check(path)
	if errors.Is(err, fs.ErrNotExist) {
		var folder fs.FileInfo
		if folder, err = os.Stat(filepath.Dir(path)); err == nil && !folder.IsDir() {
			err = errors.New("its folder is a file")
		}
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", field, err))
	}
}

// PrivateFolder reports a folder that does not exist or that the program cannot write to, and warns
// about one that other users can use.
func (r *Report) PrivateFolder(field, path string) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	if err == nil {
		err = unix.Access(path, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", field, err))
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		r.Warn(field + ": other users can use the folder; run chmod 700 on it")
	}
}
