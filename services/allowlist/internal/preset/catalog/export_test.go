package catalog

import "github.com/keyward/keyward/services/allowlist/internal/payload/describe"

// BeyondPrograms reports whether no program opens a sample: formats that no standard library has, and
// signed strings that are expressions.
func BeyondPrograms(s Sample) bool {
	signing := s.profile.Signing
	return s.profile.Kind == describe.KindPGP || s.profile.Kind == describe.KindCMS ||
		signing != nil && (signing.InputExpression != "" || len(signing.Claims) > 0)
}
