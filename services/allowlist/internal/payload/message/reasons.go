package message

import (
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// The reasons that this package returns, in addition to INVALID_FIELD.
const (
	DirectKeyNotSupported              = violation.DirectKey
	LegacyNotAcknowledged              = violation.Legacy
	KeyNotUsable          fault.Reason = "KEY_NOT_USABLE"
	BodyNotEncryptable    fault.Reason = "BODY_NOT_ENCRYPTABLE"
	DecryptionFailed      fault.Reason = "DECRYPTION_FAILED"
	SignatureInvalid      fault.Reason = "SIGNATURE_INVALID"
)
