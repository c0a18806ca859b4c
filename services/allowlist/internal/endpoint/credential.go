package endpoint

import (
	"cmp"
	"slices"
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

// A Use is what an endpoint needs a secret for.
type Use struct {
	// Secret is the resource name of the secret.
	Secret string `json:"secret"`
	// Host is where a credential is sent; empty for a key.
	Host string `json:"host,omitempty"`
}

func (u Use) credential() bool { return u.Host != "" }

// uses returns what has to be bound for the settings, each once, in order.
func (s Settings) uses() []Use {
	var all []Use
	for _, secret := range s.Encryption.Secrets {
		all = append(all, Use{Secret: secret})
	}
	for _, c := range s.Credentials() {
		all = append(all, Use{Secret: c.Secret, Host: s.URL.BareHost()})
	}
	slices.SortFunc(all, func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Host, b.Host))
	})
	return slices.Compact(all)
}

// secretsOf returns the names of the secrets in uses, each once.
func secretsOf(uses []Use) []string {
	var secrets []string
	for _, use := range uses {
		secrets = append(secrets, use.Secret)
	}
	return slices.Compact(secrets)
}

// Places says where in a request each secret is referred to, by its name: as a key,
// and as a credential.
type Places struct{ Keys, Credentials map[string]string }

func (p Places) of(u Use) string {
	if u.credential() {
		return p.Credentials[u.Secret]
	}
	return p.Keys[u.Secret]
}
