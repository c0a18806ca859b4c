package jose

import (
	"io"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// signJSON returns the flattened JSON serialization of a payload (RFC 7515 section 7.2.2). Its
// strings are base64url, so that they need no escapes.
func (s signing) signJSON(random io.Reader, key any, header, payload []byte) ([]byte, error) {
	const start, protected, signed, end = `{"payload":"`, `","protected":"`, `","signature":"`, `"}`
	head := append(encoding.AppendEncode(nil, header), '.')
	signature, err := s.sign(random, key, input{head: head, payload: payload, encode: true})
	if err != nil {
		return nil, err
	}
	size := len(start) + len(protected) + len(signed) + len(end) + encodedLen(len(payload)) + len(head) + encodedLen(len(signature))
	out := encoding.AppendEncode(append(make([]byte, 0, size), start...), payload)
	out = append(append(out, protected...), head[:len(head)-1]...)
	out = encoding.AppendEncode(append(out, signed...), signature)
	return append(out, end...), nil
}

// cutJSON returns the three pieces of a flattened JSON serialization. The unprotected header is
// ignored, and other members are refused: a reader of them could take the message for another one.
func cutJSON(text []byte) (head, payload, signature []byte, err error) {
	s := jsonbytes.Scan(text)
	var ignored header
	err = readMembers(s, map[string]*[]byte{"protected": &head, "payload": &payload, "signature": &signature},
		map[string]func() bool{"header": readUnprotected(s, &ignored)})
	if err != nil || !s.End() || head == nil || payload == nil || signature == nil || len(signature) > maxSmall {
		return nil, nil, nil, ErrMessage
	}
	return head, payload, signature, nil
}
