// Package kektest serves the APIs of key management services for tests: small fakes that encrypt
// with AES-256-GCM, each with one key.
//
// A fake can be stopped and started again at the same address, and told to answer with an error.
package kektest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// A Server is a fake.
type Server struct {
	// Addr is the address, which stays the same.
	Addr string
	// CA is the file with the certificate to trust. The fakes of plain HTTP have none.
	CA string
	// Status, if not zero, is the status of all responses.
	Status atomic.Int32

	t       testing.TB
	secure  bool
	handler http.Handler
	running *httptest.Server
}

// newServer reserves an address for a fake, which does not run yet.
func newServer(t testing.TB, secure bool, handler http.Handler) *Server {
	t.Helper()
	s := &Server{t: t, secure: secure, handler: handler, Addr: "127.0.0.1:0"}
	t.Cleanup(s.Stop)
	s.Start()
	s.Addr = s.running.Listener.Addr().String()
	if secure {
		s.CA = filepath.Join(t.TempDir(), "ca.pem")
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.running.Certificate().Raw})
		if err := os.WriteFile(s.CA, block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Start starts a fake that was stopped.
func (s *Server) Start() {
	s.t.Helper()
	listener, err := new(net.ListenConfig).Listen(s.t.Context(), "tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.running = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := s.Status.Load(); status != 0 {
			w.WriteHeader(int(status))
			return
		}
		s.handler.ServeHTTP(w, r)
	}))
	_ = s.running.Listener.Close()
	s.running.Listener = listener
	if s.secure {
		s.running.StartTLS()
		return
	}
	s.running.Start()
}

// Stop stops the fake: connections are refused.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.CloseClientConnections()
		s.running.Close()
		s.running = nil
	}
}

// A key is what a fake encrypts with.
type key struct{ aead cipher.AEAD }

func newKey(t testing.TB) key {
	t.Helper()
	bytes := make([]byte, 32)
	rand.Read(bytes)
	block, err := aes.NewCipher(bytes)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return key{aead}
}

func (k key) seal(text, bound []byte) []byte { return k.aead.Seal(nil, nil, text, bound) } //nolint:gosec // the cipher makes its own IV

var errOpen = errors.New("message authentication failed")

func (k key) open(text, bound []byte) ([]byte, error) {
	out, err := k.aead.Open(nil, nil, text, bound)
	if err != nil {
		return nil, errOpen
	}
	return out, nil
}

func decode(text string) []byte {
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return out
}
