package auth

import (
	"context"
	"crypto/tls"
	"net"

	"google.golang.org/grpc/credentials"
)

// ClientCredentials returns the credentials of a client whose certificate and
// authorities may change while it runs: each connection is made with the
// configuration that current returns at that moment.
func ClientCredentials(current func() *tls.Config) credentials.TransportCredentials {
	return &changing{current}
}

type changing struct{ current func() *tls.Config }

func (c *changing) now() credentials.TransportCredentials { return credentials.NewTLS(c.current()) }

// ClientHandshake makes a connection secure.
func (c *changing) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ClientHandshake(ctx, authority, conn)
}

// ServerHandshake is what a client does not do.
func (c *changing) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ServerHandshake(conn)
}

// Info describes the protocol.
func (c *changing) Info() credentials.ProtocolInfo { return c.now().Info() }

// Clone returns the same: there is nothing in it to change.
func (c *changing) Clone() credentials.TransportCredentials { return c }

// OverrideServerName does nothing: the configuration names the server.
func (c *changing) OverrideServerName(string) error { return nil }
