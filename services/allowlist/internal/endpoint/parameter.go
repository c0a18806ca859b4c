package endpoint

// A Parameter is a header or a query parameter. It has a value, which everyone who
// sees the endpoint sees, or refers to a credential.
type Parameter struct {
	Name       string     `json:"name"`
	Value      string     `json:"value"`
	Credential Credential `json:"credential,omitzero"`
	// PublicReason is why the value is public although it does not look so.
	PublicReason string `json:"public_reason,omitempty"`
}
