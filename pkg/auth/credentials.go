package auth

import (
	"context"
	"crypto/tls"
	"net"

	"google.golang.org/grpc/credentials"
)

// ClientCredentials returns the credentials of a client whose certificate and authorities may
// change while it runs: each connection uses the configuration that current returns at that
// moment.
func ClientCredentials(current func() *tls.Config) credentials.TransportCredentials {
	return &changing{current}
}

type changing struct{ current func() *tls.Config }

func (c *changing) now() credentials.TransportCredentials { return credentials.NewTLS(c.current()) }

// ClientHandshake performs the TLS handshake of a client.
func (c *changing) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ClientHandshake(ctx, authority, conn)
}

// ServerHandshake is not supported.
func (c *changing) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ServerHandshake(conn)
}

// Info describes the protocol.
func (c *changing) Info() credentials.ProtocolInfo { return c.now().Info() }

// Clone returns the same credentials, which are immutable.
func (c *changing) Clone() credentials.TransportCredentials { return c }

// OverrideServerName does nothing: the configuration names the server.
func (c *changing) OverrideServerName(string) error { return nil }
