package auth

import (
	"context"
	"net/netip"

	"github.com/keyward/keyward/pkg/fault"
)

// To verify a token costs more than the rest of a request, so credentials that do
// not verify are taken from one address at a limited rate only. Beyond it a token
// is refused unseen, unless it was verified before and is remembered: who shares an
// address with somebody who guesses stays connected.

// examine verifies a token that is not remembered.
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

// overdone is the answer to an address that sent too many bad credentials.
func overdone(err error) error {
	f, ok := fault.From(err)
	if !ok {
		return err
	}
	return fault.Exhausted(fault.QuotaAddress, "too many credentials from this address were not accepted", f.RetryAfter)
}

// OriginOf returns what callers who are not known are counted by: an IPv4 address, or the network of
// an IPv6 address, of which one subscriber has 2⁶⁴ addresses.
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
