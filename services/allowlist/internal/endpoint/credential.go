package endpoint

import (
	"cmp"
	"slices"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A Credential refers to a secret that is sent as it is. The zero Credential is none.
type Credential struct {
	// Secret is the resource name of the secret.
	Secret string `json:"secret"`
	// Version is the version, or 0 for the current one.
	Version uint32 `json:"version,omitempty"`
}

// A BodyValue is a credential inside the JSON bodies of requests.
type BodyValue struct {
	// Path is where in the body.
	Path       string     `json:"path"`
	Credential Credential `json:"credential"`
}

// Credentials returns what the headers, query parameters and body values refer to,
// each once.
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

// A Need is what an endpoint needs a secret for: a key, unless something else is said.
type Need struct {
	// Secret is the resource name of the secret.
	Secret string `json:"secret"`
	// Version is the version that is meant, or 0 for the current one.
	Version uint32 `json:"version,omitempty"`
	// Host is where a credential is sent; empty for all else.
	Host string `json:"host,omitempty"`
	// Port is the port of Host. Endpoints that were saved before ports were kept tell none.
	Port uint16 `json:"port,omitempty"`
	// Parameter says that the secret may become visible, such as a static IV.
	Parameter bool `json:"parameter,omitempty"`
	// Exposed says that what is sent gives the key away.
	Exposed bool `json:"exposed,omitempty"`
	// Chains are what a key is used for, in lines, and Cost is the least work of derivations
	// among them. Endpoints that were saved before purposes were kept tell none.
	Chains string `json:"chains,omitempty"`
	Cost   uint64 `json:"cost,omitempty"`
	// Conflicting says that a super admin acknowledged that a chain may open another.
	Conflicting bool `json:"conflicting,omitempty"`
	// Partner is the endpoint's host, for a key. It has no port: a key is sent nowhere, and the
	// same partner answers on all ports of a host.
	Partner string `json:"partner,omitempty"`
}

func (n Need) credential() bool { return n.Host != "" }

// destination returns where a credential is sent, as allowed_hosts name it.
func (n Need) destination() string {
	return destination.Destination{Host: n.Host, Port: n.Port}.String()
}

// key reports whether the use is that of a KEY, which has a purpose.
func (n Need) key() bool { return n.usage() == vaultclient.UsageKey }

// unreported reports whether the use is that of a KEY, saved before purposes were kept.
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

// portless reports whether the use is that of a credential, saved before ports were kept.
func (n Need) portless() bool { return n.credential() && n.Port == 0 }

// needs returns what has to be bound for the settings, each once, in order. Without a URL,
// of which there is a finding then, nobody knows what credentials are for.
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
	// A secret is for one purpose, so this tells all uses apart.
	slices.SortFunc(all, func(a, b Need) int {
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Host, b.Host),
			cmp.Compare(a.usage(), b.usage()))
	})
	return slices.Compact(all)
}

// secretsOf returns the names of the secrets in uses, each once.
func secretsOf(needs []Need) []string {
	var secrets []string
	for _, need := range needs {
		secrets = append(secrets, need.Secret)
	}
	return slices.Compact(secrets)
}

// Places says at which fields of a request each secret is referred to: by the encryption
// for a use, and as a credential.
type Places struct {
	Keys        map[Need][]string
	Credentials map[Credential][]string
}

func (p Places) of(n Need) []string {
	if n.credential() {
		return p.Credentials[Credential{Secret: n.Secret, Version: n.Version}]
	}
	n.Partner = "" // as the configuration knows it
	return p.Keys[n]
}
