package message

import (
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/finding"
)

// The reasons that this package gives, besides INVALID_FIELD.
const (
	DirectKeyNotSupported              = finding.DirectKey
	LegacyNotAcknowledged              = finding.Legacy
	KeyNotUsable          fault.Reason = "KEY_NOT_USABLE"
	BodyNotEncryptable    fault.Reason = "BODY_NOT_ENCRYPTABLE"
	DecryptionFailed      fault.Reason = "DECRYPTION_FAILED"
	SignatureInvalid      fault.Reason = "SIGNATURE_INVALID"
)
