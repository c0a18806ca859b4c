package vaultclient

import (
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A Usage is the usage that a secret must have. The default is a key.
type Usage int

// The usages.
const (
	// UsageKey is key material.
	UsageKey Usage = iota
	// UsageParameter is a parameter that may become visible, such as a static IV.
	UsageParameter
	// UsageCredential is a value that is sent unchanged to a host.
	UsageCredential
	// UsageExposedKey is key material that messages reveal.
	UsageExposedKey
)

func (u Usage) toProto() vaultv1.Usage {
	switch u {
	case UsageKey:
		return vaultv1.Usage_USAGE_KEY
	case UsageParameter:
		return vaultv1.Usage_USAGE_PARAMETER
	case UsageCredential:
		return vaultv1.Usage_USAGE_CREDENTIAL
	case UsageExposedKey:
		return vaultv1.Usage_USAGE_EXPOSED_KEY
	default:
		return vaultv1.Usage_USAGE_UNSPECIFIED
	}
}

// String returns the name of the usage in the contract.
func (u Usage) String() string { return usageName(u.toProto()) }
