package secret

import "strings"

// Generated keys are for what their kind says. A chain begins, behind the decoding, with what
// is done to the key first.

// serves reports whether a key that was generated as a kind may be used for a chain. Private
// keys fit one kind of algorithm only, and passwords may become anything.
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

// servesAll reports whether it may be used for all chains of a purpose.
func (k Kind) servesAll(p Purpose) bool {
	for _, chain := range p.Chains {
		if !k.serves(chain) {
			return false
		}
	}
	return true
}

// decodes reports whether the chains of a purpose read a generated key in the form in which it
// is stored: bytes, or PEM.
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
