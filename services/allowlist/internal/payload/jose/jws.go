package jose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"time"
)

// A JWS says how a payload is signed. It is a value and is safe for concurrent use.
type JWS struct {
	// Alg is the algorithm, by its name in RFC 7518 or RFC 8037, such as `RS256`.
	Alg string
	// Header holds additional members of the protected header.
	Header map[string]string
	// IssuedAt says whether the header carries the time.
	IssuedAt IssuedAt
	// Unencoded signs the payload without encoding it (RFC 7797). It is allowed for detached
	// signatures only.
	Unencoded bool
	// Serialization is the form of a JWS with its payload. It has no effect on detached signatures.
	Serialization Serialization
}

// A Serialization is the form of a JWS.
type Serialization int

// The forms of a JWS.
const (
	// Compact is the compact serialization (RFC 7515 section 7.1).
	Compact Serialization = iota
	// Flattened is the flattened JSON serialization (RFC 7515 section 7.2.2).
	Flattened
	// FlattenedHeader is Flattened with the protected header as the member `header`, which has an
	// unprotected header in RFC 7515.
	FlattenedHeader
)

// Members returns the names of the members that hold the protected header, the payload, and the
// signature.
func (s Serialization) Members() [3]string {
	if s == FlattenedHeader {
		return [3]string{"header", "payload", "signature"}
	}
	return [3]string{"protected", "payload", "signature"}
}

// Check returns what is wrong with the options, or "". A JWS that fails Check returns
// [ErrOptions] from every call.
func (j JWS) Check() string {
	if _, ok := signingOf(j.Alg); !ok {
		return "must have a known algorithm"
	}
	return checkMembers(j.Header, j.IssuedAt, "alg", "crit", "b64")
}

// KeyBytes returns the minimum length of the shared key, or 0 if the algorithm uses a key pair
// or is unknown.
func (j JWS) KeyBytes() int {
	if s, ok := signingOf(j.Alg); ok && s.method == macs {
		return s.hash.Size()
	}
	return 0
}

// Sign returns the serialization of the payload with its signature, made with our private key or
// the shared key. It fails with [ErrOptions] for unencoded payloads.
func (j JWS) Sign(now time.Time, random io.Reader, key any, payload []byte) ([]byte, error) {
	s, err := j.signing()
	if err != nil || j.Unencoded {
		return nil, ErrOptions
	}
	header := j.protected(now)
	if j.Serialization != Compact {
		return s.signJSON(j.Serialization.Members(), random, key, header, payload)
	}
	out := make([]byte, 0, encodedLen(len(header))+encodedLen(len(payload))+maxSignature)
	out = encoding.AppendEncode(out, header)
	out = encoding.AppendEncode(append(out, '.'), payload)
	signature, err := s.sign(random, key, input{head: out})
	if err != nil {
		return nil, err
	}
	return encoding.AppendEncode(append(out, '.'), signature), nil
}

// SignDetached returns the serialization of a detached signature: the compact serialization with
// nothing between its dots (RFC 7515 appendix F).
func (j JWS) SignDetached(now time.Time, random io.Reader, key any, payload []byte) ([]byte, error) {
	s, err := j.signing()
	if err != nil {
		return nil, err
	}
	in := j.detached(now, payload)
	signature, err := s.sign(random, key, in)
	if err != nil {
		return nil, err
	}
	return encoding.AppendEncode(append(in.head, '.'), signature), nil
}

// WriteSigningInput writes the input that [JWS.SignDetached] signs (RFC 7515 section 5.1).
func (j JWS) WriteSigningInput(w io.Writer, now time.Time, payload []byte) {
	j.detached(now, payload).writeTo(w)
}

// detached returns the input of a detached signature.
func (j JWS) detached(now time.Time, payload []byte) input {
	head := append(encoding.AppendEncode(nil, j.protected(now)), '.')
	return input{head: head, payload: payload, encode: !j.Unencoded}
}

// Verify returns the payload of a serialization that one of the keys has signed, and the
// position of that key. The keys are the partner's public keys, or shared ones. The caller owns
// the payload.
func (j JWS) Verify(keys []any, text []byte) (payload []byte, which int, err error) {
	if j.Unencoded {
		return nil, 0, ErrOptions
	}
	head, encoded, signature, err := j.Serialization.cut(text)
	if err != nil {
		return nil, 0, err
	}
	// The signed bytes are those of the compact serialization.
	in := input{head: append(bytes.Clone(head), '.'), payload: encoded}
	if which, err = j.verify(keys, head, signature, in); err != nil {
		return nil, 0, err
	}
	if payload, err = decode(nil, encoded, false); err != nil {
		return nil, 0, err
	}
	return payload, which, nil
}

// VerifyDetached verifies a detached signature of a payload, and returns the position of the key
// that signed it.
func (j JWS) VerifyDetached(keys []any, text, payload []byte) (which int, err error) {
	head, nothing, signature, err := cut(text)
	if err != nil || len(nothing) > 0 {
		return 0, ErrMessage
	}
	return j.verify(keys, head, signature, input{head: text[:len(head)+1], payload: payload, encode: !j.Unencoded})
}

// signing returns the algorithm if the options are valid.
func (j JWS) signing() (signing, error) {
	if j.Check() != "" {
		return signing{}, ErrOptions
	}
	s, _ := signingOf(j.Alg)
	return s, nil
}

// protected returns the header.
func (j JWS) protected(now time.Time) []byte {
	w := newHeaderText(j.Alg)
	w.addAll(j.Header, j.IssuedAt, now)
	if j.Unencoded {
		w.add("b64", false).add("crit", []string{"b64"})
	}
	return w.bytes()
}

// cut returns the three pieces of a compact serialization.
func cut(compact []byte) (head, payload, signature []byte, err error) {
	head, rest, _ := bytes.Cut(compact, []byte("."))
	payload, signature, ok := bytes.Cut(rest, []byte("."))
	if !ok || len(signature) > maxSmall || bytes.IndexByte(signature, '.') >= 0 {
		return nil, nil, nil, ErrMessage
	}
	return head, payload, signature, nil
}

// verify checks header and signature.
func (j JWS) verify(keys []any, head, encoded []byte, in input) (which int, err error) {
	s, err := j.signing()
	if err != nil {
		return 0, err
	}
	h, err := readHeader(head, false)
	if err != nil {
		return 0, err
	}
	if !h.is("alg", j.Alg) || !j.acceptsEncoding(h) {
		return 0, ErrMessage
	}
	signature, err := decode(nil, encoded, false)
	if err != nil {
		return 0, err
	}
	if len(keys) == 0 {
		return 0, ErrKey
	}
	for i, key := range keys {
		valid, err := s.verify(key, in, signature)
		if err != nil {
			return 0, err
		}
		if valid {
			return i, nil
		}
	}
	return 0, ErrSignature
}

// acceptsEncoding reports whether the header declares the configured encoding of the payload,
// and declares it as critical (RFC 7797 section 6).
func (j JWS) acceptsEncoding(h header) bool {
	if !j.Unencoded {
		return !h.has("b64") && !h.has("crit")
	}
	var b64 *bool
	var crit []string
	if json.Unmarshal(h["b64"], &b64) != nil || json.Unmarshal(h["crit"], &crit) != nil {
		return false
	}
	return b64 != nil && !*b64 && slices.Equal(crit, []string{"b64"})
}

// An input is the signed bytes: head, followed by the payload, which is encoded if encoded is
// set.
type input struct {
	head, payload []byte
	encode        bool
}

// writeTo writes the input without copying the payload. The writers are hashes and buffers,
// which do not fail.
func (in input) writeTo(w io.Writer) {
	_, _ = w.Write(in.head)
	if !in.encode {
		_, _ = w.Write(in.payload)
		return
	}
	e := base64.NewEncoder(encoding, w)
	_, _ = e.Write(in.payload)
	_ = e.Close()
}
