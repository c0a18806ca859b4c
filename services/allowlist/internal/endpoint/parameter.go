package endpoint

import (
	"slices"
	"strings"
)

// A Parameter is a header or a query parameter. It has a value, which everyone who
// sees the endpoint sees, or refers to a credential.
type Parameter struct {
	Name       string     `json:"name"`
	Value      string     `json:"value"`
	Credential Credential `json:"credential,omitzero"`
}

// CarriesCredential reports whether a header or query parameter of this name
// usually carries a credential. Such a name may not be given a value in the
// clear. Case and separators do not matter: `X-Api-Key`, `apikey` and `api_key`
// are the same.
func CarriesCredential(name string) bool {
	bare := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
	if slices.Contains([]string{"authorization", "proxyauthorization", "cookie", "setcookie"}, bare) {
		return true
	}
	return slices.ContainsFunc([]string{"key", "token", "secret"}, func(end string) bool {
		return strings.HasSuffix(bare, end)
	})
}
