package signature

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// claims are the claims of a received JWS.
type claims struct {
	payload []byte
	// members are the characters of the members, by name.
	members map[string][]byte
}

// numeric reports whether a claim is a number: the time in seconds or milliseconds.
func numeric(claim Value) bool {
	i := claim.position()
	return i == timestamp || i == timestampMS
}

// payload returns the claims of a message as a JSON object.
func (w *work) payload() ([]byte, error) {
	s := w.signer
	out := []byte{'{'}
	for i, claim := range s.texts.Claims {
		if i > 0 {
			out = append(out, ',')
		}
		text, err := w.claim(claim)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, '"'), claim.Name...), '"', ':')
		if numeric(claim) {
			out = append(out, text...)
			continue
		}
		out = append(out, '"')
		start := len(out)
		var ok bool
		if out, ok = jsonbytes.EscapeTail(append(out, text...), start); !ok {
			return nil, ErrText
		}
		out = append(out, '"')
	}
	return append(out, '}'), nil
}

// claim returns the value of a claim.
func (w *work) claim(claim Value) ([]byte, error) {
	bound, err := claim.Program.Bind(w)
	if err != nil {
		return nil, err
	}
	return bound.Text(nil)
}

// readClaims reads the claims of a compact JWS, whose signature is verified later, and the values
// that they carry. It returns nothing if the configuration has no claims.
func (s *Signer) readClaims(signatures [][]byte, texts carried) (*claims, error) {
	if len(s.texts.Claims) == 0 {
		return nil, nil
	}
	const parts = 3
	split := bytes.Split(signatures[0], []byte{'.'})
	if len(split) != parts {
		return nil, invalid("The JWS has no payload.")
	}
	payload, err := base64.RawURLEncoding.Strict().AppendDecode(nil, split[1])
	c := &claims{payload: payload, members: make(map[string][]byte)}
	if err != nil || !c.parse() {
		return nil, invalid("The payload of the JWS is not a JSON object with one value for each name.")
	}
	for _, claim := range s.texts.Claims {
		text, ok := c.members[claim.Name]
		if !ok {
			return nil, invalid("The payload of the JWS lacks the claim %s.", claim.Name)
		}
		at := s.claimed(claim)
		if at < 0 || at >= carriedCount && !s.texts.Values[at-carriedCount].Carried() {
			continue
		}
		if texts[at] != nil && !bytes.Equal(texts[at], text) {
			return nil, invalid("The claim %s differs from the value elsewhere in the message.", claim.Name)
		}
		texts[at] = present(text)
	}
	if s.inMessage[id] && !isID(texts[id], &s.carriers.idChars) {
		return nil, invalid("The ID in the claims is empty or contains characters that are not allowed in an ID.")
	}
	return c, nil
}

// parse reads the members of the payload. A name that occurs twice is refused.
func (c *claims) parse() bool {
	return jsonbytes.Members(c.payload, func(name, text []byte) bool {
		first := c.members[string(name)] == nil
		c.members[string(name)] = present(text)
		return first
	})
}

// compareClaims computes the claims again. The string to sign is the payload as it was received,
// which may have other claims too.
func (w *work) compareClaims(given *claims) (*signed, error) {
	for _, claim := range w.signer.texts.Claims {
		want, err := w.claim(claim)
		if err != nil {
			return nil, invalid("The claim %s cannot be computed: %s.", claim.Name, err)
		}
		if subtle.ConstantTimeCompare(want, given.members[claim.Name]) != 1 {
			return nil, invalid("The claim %s differs from the one that was computed.", claim.Name)
		}
	}
	w.in = signed{payload: given.payload, time: w.m.Time, keepUnused: w.m.KeepUnused}
	return &w.in, nil
}
