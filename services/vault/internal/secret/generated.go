package secret

import "strings"

// The kind of a generated key decides its use. After the decoding, a chain begins with the first
// operation on the key.

// serves reports whether a key that was generated as this kind may be used for a chain. Private
// keys fit only one kind of algorithm, and passwords fit any chain.
func (k Kind) serves(chain string) bool {
	_, first, _ := strings.Cut(chain, " > ")
	mac := strings.HasPrefix(first, "HMAC-") || strings.HasPrefix(first, "JWS-HS")
	switch k {
	case AES128, AES192, AES256:
		return !mac && !strings.HasPrefix(first, "SECRET-DIGEST-")
	case HMACSHA256, HMACSHA512:
		return mac
	default:
		return true
	}
}

// servesAll reports whether the key may be used for all chains of a purpose.
func (k Kind) servesAll(p Purpose) bool {
	for _, chain := range p.Chains {
		if !k.serves(chain) {
			return false
		}
	}
	return true
}

// decodes reports whether the chains of a purpose read a generated key in its stored form: bytes
// or PEM.
func (k Kind) decodes(p Purpose) bool {
	form := ""
	switch {
	case (Value{kind: k}).drawnAsBytes():
		form = "raw"
	case (Value{kind: k}).asymmetric():
		form = "pem"
	}
	for _, chain := range p.Chains {
		if decoding, _, _ := strings.Cut(chain, " > "); form != "" && decoding != form {
			return false
		}
	}
	return true
}
