package auth

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// inMemory is the network of connections within the process.
const inMemory = "bufconn"

// A connection is what the requests of one connection have in common. It is the
// [credentials.AuthInfo] of connections with [Credentials].
type connection struct {
	credentials.TLSInfo
	// workload is the SPIFFE ID of the certificate, or empty without a certificate.
	workload string
	// err is the reason why the certificate does not name a workload.
	err     error
	address string
	// local means that the other end is in this process.
	local bool
}

// Credentials returns credentials of a server that read the certificate of a client once for each
// connection, instead of once for each request.
func Credentials(of credentials.TransportCredentials) credentials.TransportCredentials {
	return connecting{of}
}

type connecting struct {
	credentials.TransportCredentials
}

// ServerHandshake makes the handshake and reads the certificate of the client.
func (c connecting) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return conn, newConnection(info, raw.RemoteAddr()), nil
}

// Clone returns a copy.
func (c connecting) Clone() credentials.TransportCredentials {
	return connecting{c.TransportCredentials.Clone()}
}

func newConnection(info credentials.AuthInfo, address net.Addr) *connection {
	c := new(connection)
	if address != nil {
		c.address, c.local = address.String(), address.Network() == inMemory
	}
	var ok bool
	if c.TLSInfo, ok = info.(credentials.TLSInfo); !ok || len(c.State.PeerCertificates) == 0 {
		return c
	}
	id, err := workloadID(c.State)
	if err != nil {
		c.err = err
		return c
	}
	c.workload = id.String()
	return c
}

// connectionOf returns the connection of a request.
func connectionOf(ctx context.Context) *connection {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return new(connection)
	}
	if c, ok := p.AuthInfo.(*connection); ok {
		return c
	}
	return newConnection(p.AuthInfo, p.Addr)
}

// Peer returns the address of the other end of the connection of a request, or an empty string.
func Peer(ctx context.Context) string { return connectionOf(ctx).address }

// caller returns the client address of a request. A gateway that authenticated as a proxy, or is
// part of this process, forwards the address of its caller.
func (c *connection) caller(ctx context.Context, proxied bool) string {
	if !proxied && !c.local || c.address == "" {
		return c.address
	}
	if said := metadata.ValueFromIncomingContext(ctx, AddressHeader); len(said) == 1 {
		if clean, ok := parseAddress(said[0]); ok {
			return clean
		}
	}
	return c.address
}
