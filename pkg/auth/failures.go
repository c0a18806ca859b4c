package auth

import (
	"context"
	"net/netip"

	"github.com/keyward/keyward/pkg/fault"
)

// Verifying a token costs more than the rest of a request, so the rate of invalid credentials from
// one address is limited. Above the limit, a token is refused without verification unless it is in
// the cache: callers who share an address with an attacker stay connected.

// examine verifies a token that is not cached.
func (a *Authenticator) examine(ctx context.Context, token, from string) (*identity, error) {
	origin := OriginOf(from)
	if err := a.failures.Probe(origin); err != nil {
		return nil, overdone(err)
	}
	who, err := a.inspect(ctx, token)
	if fault.Is(err, fault.CredentialsInvalid) {
		_ = a.failures.Spend(origin) // refuses the next one
	}
	return who, err
}

// overdone is the error for an address that sent too many invalid credentials.
func overdone(err error) error {
	f, ok := fault.From(err)
	if !ok {
		return err
	}
	return fault.Exhausted(fault.QuotaAddress, "too many invalid credentials from this address", f.RetryAfter)
}

// OriginOf returns the key by which unauthenticated callers are counted: an IPv4 address, or the
// network of an IPv6 address, because one subscriber has 2⁶⁴ addresses.
func OriginOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		withPort, err := netip.ParseAddrPort(address)
		if err != nil {
			return address
		}
		ip = withPort.Addr()
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
