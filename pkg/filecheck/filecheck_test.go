package filecheck_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/filecheck"
)

// folder holds a server's certificate, a workload's and their authority.
func folder(t *testing.T) (path func(string) string) {
	t.Helper()
	dir := t.TempDir()
	path = func(name string) string { return filepath.Join(dir, name) }
	authority, err := authtest.New()
	check(t, err)
	server, err := authority.ServerCertificate("localhost")
	check(t, err)
	workload, err := authority.WorkloadCertificate(spiffeid.RequireFromString("spiffe://keyward.test/w"))
	check(t, err)
	check(t, authtest.WriteCertificate(path("server.pem"), path("server.key"), server))
	check(t, authtest.WriteCertificate(path("workload.pem"), path("workload.key"), workload))
	check(t, authority.WriteTrust(path("ca.pem")))
	check(t, os.WriteFile(path("words"), []byte("no certificate"), 0o600))
	check(t, os.WriteFile(path("data.db"), nil, 0o600))
	check(t, os.WriteFile(path("open.log"), nil, 0o600))
	check(t, os.Chmod(path("open.log"), 0o644))
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReported(t *testing.T) {
	t.Parallel()
	path := folder(t)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name    string
		later   time.Duration
		look    func(*filecheck.Report)
		err     string // in the one error; empty without one
		warning string
	}{
		{"a pair", 0, func(r *filecheck.Report) { r.KeyPair("f", path("server.pem"), path("server.key")) }, "", ""},
		{"a key of another certificate", 0, func(r *filecheck.Report) { r.KeyPair("f", path("server.pem"), path("workload.key")) }, "f: ", ""},
		{"no key", 0, func(r *filecheck.Report) { r.KeyPair("f", path("server.pem"), path("absent")) }, "f: ", ""},
		{"words for a certificate", 0, func(r *filecheck.Report) { r.KeyPair("f", path("words"), path("server.key")) }, "f: ", ""},
		{"an expired pair", 100 * 365 * day, func(r *filecheck.Report) { r.KeyPair("f", path("server.pem"), path("server.key")) }, "f: the certificate expired", ""},
		{"a pair of the future", -365 * day, func(r *filecheck.Report) { r.KeyPair("f", path("server.pem"), path("server.key")) }, "f: the certificate is not valid before", ""},
		{"a workload", 0, func(r *filecheck.Report) { r.Workload("f", path("workload.pem"), path("workload.key")) }, "", ""},
		{"a workload at the end of its day", 23*time.Hour + 30*time.Minute, func(r *filecheck.Report) { r.Workload("f", path("workload.pem"), path("workload.key")) }, "", "f: the certificate expires at"},
		{"a workload without an id", 0, func(r *filecheck.Report) { r.Workload("f", path("server.pem"), path("server.key")) }, "f: the certificate does not name", ""},
		{"authorities", 0, func(r *filecheck.Report) { r.Authorities("f", path("ca.pem")) }, "", ""},
		{"no authorities", 0, func(r *filecheck.Report) { r.Authorities("f", path("words")) }, "f: the file contains no certificate", ""},
		{"no file", 0, func(r *filecheck.Report) { r.Authorities("f", path("absent")) }, "f: ", ""},
		{"no file that is asked for", 0, func(r *filecheck.Report) { r.Authorities("f", "") }, "", ""},
		{"expired authorities", 100 * 365 * day, func(r *filecheck.Report) { r.Authorities("f", path("ca.pem")) }, "f: no authority", ""},
		{"a data file", 0, func(r *filecheck.Report) { r.DataFile("f", path("data.db")) }, "", ""},
		{"a data file that is not there yet", 0, func(r *filecheck.Report) { r.DataFile("f", path("new.db")) }, "", ""},
		{"a folder that is not there", 0, func(r *filecheck.Report) { r.DataFile("f", path("absent/new.db")) }, "f: ", ""},
		{"a folder that is a file", 0, func(r *filecheck.Report) { r.DataFile("f", path("words/new.db")) }, "f: ", ""},
		{"a folder for a data file", 0, func(r *filecheck.Report) { r.DataFile("f", filepath.Dir(path("x"))) }, "f: it is not a regular file", ""},
		{"an access log that is not there yet", 0, func(r *filecheck.Report) { r.AccessLog("f", path("new.log")) }, "", ""},
		{"no access log", 0, func(r *filecheck.Report) { r.AccessLog("f", "") }, "", ""},
		{"an access log that others can read", 0, func(r *filecheck.Report) { r.AccessLog("f", path("open.log")) }, "f: must be a regular file that belongs to the user", ""},
		{"an error", 0, func(r *filecheck.Report) { r.Fail(errors.New("f")) }, "f", ""},
		{"no error", 0, func(r *filecheck.Report) { r.Fail(nil) }, "", ""},
		{"a warning", 0, func(r *filecheck.Report) { r.Warn("w") }, "", "w"},
	} {
		r := filecheck.New(time.Now().Add(tt.later))
		tt.look(r)
		if got := errors.Join(r.Errors()...); tt.err == "" && got != nil || tt.err != "" && (got == nil || !strings.HasPrefix(got.Error(), tt.err)) {
			t.Errorf("%s: the errors are %v, want %q", tt.name, got, tt.err)
		}
		if got := strings.Join(r.Warnings(), "\n"); !strings.HasPrefix(got, tt.warning) || tt.warning == "" && got != "" {
			t.Errorf("%s: the warnings are %q, want %q", tt.name, got, tt.warning)
		}
	}
}

func TestAuthoritiesOfWhichSomeExpired(t *testing.T) {
	t.Parallel()
	path := folder(t)
	ca, err := os.ReadFile(path("ca.pem"))
	check(t, err)
	workload, err := os.ReadFile(path("workload.pem")) // good for a day; which kind it is does not matter here
	check(t, err)
	check(t, os.WriteFile(path("both.pem"), append(ca, workload...), 0o600))
	r := filecheck.New(time.Now().Add(48 * time.Hour))
	r.Authorities("f", path("both.pem"))
	if len(r.Errors()) != 0 || len(r.Warnings()) != 1 || !strings.HasPrefix(r.Warnings()[0], "f: 1 authorities") {
		t.Errorf("the report is %v, %q", r.Errors(), r.Warnings())
	}
}
