package snippet

import (
	"strings"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// A signedPiece is a piece of the signed input: a string, or bytes.
type signedPiece struct{ text, bytes string }

// signed writes the signed input as bytes.
func (p *program) signed(s *describe.Signing) (string, error) {
	input := s.Input
	if input == "" {
		input = "${body}"
	}
	literals, names := split(input)
	var pieces []signedPiece
	for i, literal := range literals {
		if literal != "" {
			pieces = append(pieces, signedPiece{text: p.quote(literal)})
		}
		if i == len(names) {
			break
		}
		words := strings.Split(names[i], "|")
		value, err := p.signedValue(words[0])
		if err != nil {
			return "", err
		}
		for _, function := range words[1:] {
			value = p.applied(function, value)
		}
		pieces = append(pieces, value)
	}
	return p.joined(pieces), nil
}

// joined writes the concatenation of pieces, joining adjacent strings.
func (p *program) joined(pieces []signedPiece) string {
	var all, texts []string
	flush := func() {
		if len(texts) > 0 {
			all = append(all, p.utf8(texts...))
		}
		texts = nil
	}
	for _, piece := range pieces {
		if piece.bytes == "" {
			texts = append(texts, piece.text)
			continue
		}
		flush()
		all = append(all, piece.bytes)
	}
	flush()
	return p.concat(all)
}

// asBytes writes a piece as bytes, and asText as a string.
func (p *program) asBytes(piece signedPiece) string {
	if piece.bytes == "" {
		return p.utf8(piece.text)
	}
	return piece.bytes
}

func (p *program) asText(piece signedPiece) string {
	if piece.bytes == "" {
		return piece.text
	}
	return p.encode(inUTF8, piece.bytes)
}

// signedValue writes a signed value.
func (p *program) signedValue(name string) (signedPiece, error) {
	switch path, ofPlaintext := strings.CutPrefix(name, "json:"); {
	case ofPlaintext:
		to, err := steps(path)
		if err != nil {
			return signedPiece{}, err
		}
		json := "plaintext"
		if !p.textual() {
			json = p.encode(inUTF8, json)
		}
		return signedPiece{text: p.call("unquoted", p.inDocument("raw", json, to))}, nil
	case name == "body" && p.raw == inUTF8:
		return signedPiece{text: p.constant("body")}, nil
	case name == "body":
		return signedPiece{bytes: p.decode(p.raw, p.constant("body"))}, nil
	case name == "plaintext" && p.textual():
		return signedPiece{text: "plaintext"}, nil
	case name == "plaintext":
		return signedPiece{bytes: "plaintext"}, nil
	case name == "secret":
		key, err := p.sharedKey(p.at(signingField), signingKey)
		return signedPiece{bytes: key}, err
	case p.texts[name] != "":
		return signedPiece{text: p.texts[name]}, nil
	default:
		return signedPiece{text: p.quote(p.known(name))}, nil
	}
}

// known returns a value of a message that both sides know.
func (p *program) known(name string) string {
	at, now := p.Context, p.Context.Time.UTC()
	return map[string]string{
		"method": at.Method, "host": at.Host, "path": at.Path, "query": at.Query, "content_type": p.ContentType, "id": at.ID,
		"timestamp": number(int(now.Unix())), "timestamp_ms": number(int(now.UnixMilli())), "timestamp_rfc3339": now.Format(time.RFC3339),
	}[name]
}

// applied writes the call of a template function.
func (p *program) applied(function string, value signedPiece) signedPiece {
	switch function {
	case "base64":
		return signedPiece{text: p.encode(inBase64, p.asBytes(value))}
	case "base64url":
		return signedPiece{text: p.encode(inBase64URL, p.asBytes(value))}
	case "hex":
		return signedPiece{text: p.encode(inHex, p.asBytes(value))}
	case "hex_upper":
		return signedPiece{text: p.encode(inHexUpper, p.asBytes(value))}
	case "lower", "upper":
		return signedPiece{text: p.phrase(function, p.asText(value))}
	default:
		hash := describe.Hash(allowlistv1.Hash(allowlistv1.Hash_value["HASH_"+strings.ToUpper(function)]), 0)
		return signedPiece{bytes: p.call("digest", p.hash(hash), p.asBytes(value))}
	}
}
