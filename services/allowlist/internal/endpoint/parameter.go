package endpoint

// A Parameter is a header or a query parameter. It has a value, which is visible to everyone who
// can read the endpoint, or refers to a credential.
type Parameter struct {
	Name       string
	Value      string
	Credential Credential
	// PublicReason is the reason why the value is public although it does not look public.
	PublicReason string
}
