package endpoint

import (
	"cmp"
	"slices"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A Credential refers to a secret that is sent unchanged. The zero Credential refers to nothing.
type Credential struct {
	// Secret is the resource name of the secret.
	Secret string
	// Version is the version, or 0 for the current one.
	Version uint32
}

// A BodyValue is a credential in the JSON bodies of requests.
type BodyValue struct {
	// Path is the place in the body.
	Path       string
	Credential Credential
}

// Credentials returns the credentials of the headers, query parameters, and body values, without
// duplicates.
func (s Settings) Credentials() []Credential {
	var all []Credential
	for _, p := range slices.Concat(s.Headers, s.Query) {
		if p.Credential != (Credential{}) {
			all = append(all, p.Credential)
		}
	}
	for _, v := range s.BodyValues {
		all = append(all, v.Credential)
	}
	slices.SortFunc(all, func(a, b Credential) int {
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Version, b.Version))
	})
	return slices.Compact(all)
}

// refersTo reports whether a parameter refers to a credential.
func refersTo(parameters []Parameter) bool {
	return slices.ContainsFunc(parameters, func(p Parameter) bool { return p.Credential != (Credential{}) })
}

// A Need is a secret and the use that an endpoint makes of it. It is a key unless a field says
// otherwise.
type Need struct {
	// Secret is the resource name of the secret.
	Secret string
	// Version is the version, or 0 for the current one.
	Version uint32
	// Host is the host that a credential is sent to; empty for other uses.
	Host string
	// Port is the port of Host. It is 0 for endpoints that were saved before ports were recorded.
	Port uint16
	// Parameter says that the secret may become visible, such as a static IV.
	Parameter bool
	// Exposed says that messages reveal the key.
	Exposed bool
	// Issue says that the partner issues the versions of the secret, which is not used otherwise.
	Issue bool
	// Chains are the chains of operations that a key is used for, one per line, and Cost is the least
	// work of their derivations. They are empty for endpoints that were saved before purposes were
	// recorded.
	Chains string
	Cost   uint64
	// Conflicting says that a super admin acknowledged that one chain can decrypt messages of
	// another.
	Conflicting bool
	// Partner is the endpoint's host, for a key. It has no port: a key is not sent, and the same
	// partner answers on all ports of a host.
	Partner string
}

func (n Need) credential() bool { return n.Host != "" }

// destination returns the destination of a credential, in the form of allowed_hosts.
func (n Need) destination() string {
	return destination.Destination{Host: n.Host, Port: n.Port}.String()
}

// key reports whether the use is of a KEY, which has a purpose.
func (n Need) key() bool { return n.usage() == vaultclient.UsageKey && !n.Issue }

// unreported reports whether the use is of a KEY and was saved before purposes were recorded.
func (n Need) unreported() bool { return n.key() && n.Chains == "" }

func (n Need) usage() vaultclient.Usage {
	switch {
	case n.credential():
		return vaultclient.UsageCredential
	case n.Parameter:
		return vaultclient.UsageParameter
	case n.Exposed:
		return vaultclient.UsageExposedKey
	default:
		return vaultclient.UsageKey
	}
}

// portless reports whether the use is of a credential and was saved before ports were recorded.
func (n Need) portless() bool { return n.credential() && n.Port == 0 }

// needs returns the needs to bind for the settings, sorted, without duplicates. If the URL is
// invalid, which is a violation, credentials are left out: their destination is unknown.
func (s Settings) needs() []Need {
	all, to := slices.Clone(s.Encryption.Needs), s.URL.Destination()
	for i := range all {
		if all[i].Chains != "" {
			all[i].Partner = to.Host
		}
	}
	for _, c := range s.Credentials() {
		if s.URL != (URL{}) {
			all = append(all, Need{Secret: c.Secret, Version: c.Version, Host: to.Host, Port: to.Port})
		}
	}
	// A secret has one purpose, so this order distinguishes all uses. A binding to use a secret comes before
	// one to issue it, which has no destination.
	issue := func(n Need) int {
		if n.Issue {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b Need) int {
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(issue(a), issue(b)), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Host, b.Host),
			cmp.Compare(a.usage(), b.usage()))
	})
	return slices.Compact(all)
}

// secretsOf returns the names of the secrets in needs, without duplicates.
func secretsOf(needs []Need) []string {
	var secrets []string
	for _, need := range needs {
		secrets = append(secrets, need.Secret)
	}
	return slices.Compact(secrets)
}

// Places holds the fields of a request that refer to each secret: by the encryption for a use, and
// as a credential.
type Places struct {
	Keys        map[Need][]string
	Credentials map[Credential][]string
}

func (p Places) of(n Need) []string {
	if n.credential() {
		return p.Credentials[Credential{Secret: n.Secret, Version: n.Version}]
	}
	n.Partner = "" // the configuration does not know the partner
	return p.Keys[n]
}
