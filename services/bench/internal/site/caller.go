package site

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyward/keyward/pkg/auth"
)

// A Caller is an identity: a person with a token, or a workload with a certificate.
type Caller struct {
	// Token is the token of a person, or nil.
	Token *Token
	// TLS is the configuration of connections.
	TLS *tls.Config
}

// Owner returns a person who owns the workspace.
func (s *Site) Owner() (Caller, error) { return s.person("owner", "owners") }

// Admin returns a super admin.
func (s *Site) Admin() (Caller, error) { return s.person("admin", "admins") }

// Sender returns a workload that encrypts and decrypts.
func (s *Site) Sender() (Caller, error) { return s.workload("sender") }

// Resolver returns a workload that resolves secrets, as the allowlist does. It is not the allowlist,
// which removes bindings under its name that it does not know.
func (s *Site) Resolver() (Caller, error) { return s.workload("resolver") }

func (s *Site) person(name, group string) (Caller, error) {
	text, err := s.issuer.Sign(name, "keyward", tokenLifetime, map[string]any{"groups": []string{group}})
	if err != nil {
		return Caller{}, err
	}
	return Caller{Token: &Token{header: "Bearer " + text}, TLS: s.ClientTLS(nil)}, nil
}

func (s *Site) workload(name string) (Caller, error) {
	cert, err := s.authority.WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + Domain + "/" + name))
	if err != nil {
		return Caller{}, err
	}
	return Caller{TLS: s.ClientTLS(&cert)}, nil
}

// ClientTLS returns the TLS configuration of a client. The certificate may be nil.
func (s *Site) ClientTLS(cert *tls.Certificate) *tls.Config {
	return auth.ClientTLSConfig(cert, s.authority.Pool(), spiffeid.ID{})
}

// A Token is the bearer token of a person.
type Token struct{ header string }

// Header returns the value of the header Authorization.
func (t *Token) Header() string { return t.header }

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (t *Token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": t.header}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (*Token) RequireTransportSecurity() bool { return true }

// Dial connects to a server. The token may be nil.
func Dial(address string, cfg *tls.Config, token *Token, defaults ...grpc.CallOption) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(cfg)),
		grpc.WithDefaultCallOptions(append(defaults, grpc.MaxCallRecvMsgSize(64<<20))...),
	}
	if token != nil {
		options = append(options, grpc.WithPerRPCCredentials(token))
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}
