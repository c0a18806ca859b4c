package payload

import (
	"bytes"
	"errors"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

var (
	errKeyDecoding = errors.New("the secret does not decode")
	errKeyLength   = errors.New("the key has the wrong length")
)

// A keySource is a reference with the way from the stored bytes to the key.
type keySource struct {
	Reference
	decoding allowlistv1.Decoding
}

func newKeySource(path string, ref *allowlistv1.SecretRef) keySource {
	return keySource{
		Reference: Reference{Secret: ref.GetName(), Version: ref.GetVersion(), Field: strings.TrimPrefix(path, root+".")},
		decoding:  ref.GetDecoding(),
	}
}

// use decodes the stored bytes, hands the key to f and zeroes it. What f refuses
// is KEY_NOT_USABLE, which names the field of the reference.
//
// A text may be pasted with a line end or copied with blanks: ASCII white space
// around it is not part of it. Raw bytes are taken as they are.
func (k keySource) use(stored sensitive.Bytes, f func(key []byte) error) error {
	key, ok := k.decode(stored)
	defer clear(key)
	err := errKeyDecoding
	if ok {
		err = f(key)
	}
	if err != nil {
		return fault.New(fault.FailedPrecondition, KeyNotUsable, "a referenced secret is not a key for this algorithm").
			With("field", k.Field).Because(err)
	}
	return nil
}

func (k keySource) decode(stored sensitive.Bytes) ([]byte, bool) {
	var text codec
	switch k.decoding {
	case allowlistv1.Decoding_DECODING_HEX:
		text = newCodec(allowlistv1.Encoding_ENCODING_HEX)
	case allowlistv1.Decoding_DECODING_BASE64:
		text = newCodec(allowlistv1.Encoding_ENCODING_BASE64)
	case allowlistv1.Decoding_DECODING_BASE64URL:
		text = newCodec(allowlistv1.Encoding_ENCODING_BASE64URL)
	default:
		return bytes.Clone(stored.Reveal()), true
	}
	// Sized before, so that no half of a key is left behind by a growing slice.
	return text.appendDecoded(make([]byte, 0, stored.Len()), trimSpace(stored.Reveal()))
}
