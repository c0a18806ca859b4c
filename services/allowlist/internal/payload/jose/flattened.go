package jose

import (
	"io"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// signJSON returns the flattened JSON serialization of a payload. Its strings are base64url, so that
// they need no escapes.
func (s signing) signJSON(names [3]string, random io.Reader, key any, header, payload []byte) ([]byte, error) {
	head := append(encoding.AppendEncode(nil, header), '.')
	signature, err := s.sign(random, key, input{head: head, payload: payload, encode: true})
	if err != nil {
		return nil, err
	}
	const syntax = len(`{"signature":"","signature":"","signature":""}`)
	out := make([]byte, 0, syntax+len(head)+encodedLen(len(payload))+encodedLen(len(signature)))
	out = append(append(out, `{"`+names[0]+`":"`...), head[:len(head)-1]...)
	out = encoding.AppendEncode(append(out, `","`+names[1]+`":"`...), payload)
	out = encoding.AppendEncode(append(out, `","`+names[2]+`":"`...), signature)
	return append(out, `"}`...), nil
}

// cut returns the three pieces of a serialization. An unprotected header is ignored, and other
// members are refused: a reader of them could take the message for another one.
func (s Serialization) cut(text []byte) (head, payload, signature []byte, err error) {
	if s == Compact {
		return cut(text)
	}
	scan, names := jsonbytes.Scan(text), s.Members()
	other := make(map[string]func() bool)
	if s == Flattened {
		var ignored header
		other["header"] = readUnprotected(scan, &ignored)
	}
	err = readMembers(scan, map[string]*[]byte{names[0]: &head, names[1]: &payload, names[2]: &signature}, other)
	if err != nil || !scan.End() || head == nil || payload == nil || signature == nil || len(signature) > maxSmall {
		return nil, nil, nil, ErrMessage
	}
	return head, payload, signature, nil
}
