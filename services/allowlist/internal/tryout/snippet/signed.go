package snippet

import (
	"crypto"
	"strings"
	"time"
	"unicode"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
)

// A piece is a piece of a string: text, or bytes.
type piece struct{ text, bytes string }

// A term is the code of a value: the pieces of a string, or a list or a map.
type term struct {
	pieces     []piece
	collection string
}

func textOf(code string) term  { return term{pieces: []piece{{text: code}}} }
func bytesOf(code string) term { return term{pieces: []piece{{bytes: code}}} }
func listOf(code string) term  { return term{collection: code} }

// asBytes writes a string as bytes, joining adjacent pieces of text.
func (p *program) asBytes(t term) string {
	var all, texts []string
	flush := func() {
		if len(texts) > 0 {
			all = append(all, p.utf8(texts...))
		}
		texts = nil
	}
	for _, piece := range t.pieces {
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

// asText writes a string as text.
func (p *program) asText(t term) string {
	var texts []string
	for _, piece := range t.pieces {
		if piece.bytes != "" {
			return p.encode(inUTF8, p.asBytes(t))
		}
		texts = append(texts, piece.text)
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "(" + strings.Join(texts, " + ") + ")" // in all languages here
}

// term writes a part of an expression or of a template, which are the same here.
func (p *program) term(t expression.Term) (term, error) {
	switch {
	case t.Variable != nil:
		return p.variable(*t.Variable)
	case t.Function == "" && t.Type == expression.Bytes:
		return bytesOf(p.decode(inBase64, p.quote(base64Of(t.Text)))), nil
	case t.Function == "":
		return textOf(p.quote(string(t.Text))), nil
	}
	args := make([]term, len(t.Args))
	for i, arg := range t.Args {
		if v := arg.Variable; t.Document() && v != nil && *v == (expression.Variable{Name: "body"}) && len(p.Profile.Signing.BodyMembers) > 0 {
			args[i] = textOf(p.body())
			continue
		}
		var err error
		if args[i], err = p.term(arg); err != nil {
			return term{}, err
		}
	}
	switch t.Function {
	case expression.Sum:
		var sum term
		for _, arg := range args {
			sum.pieces = append(sum.pieces, arg.pieces...)
		}
		return sum, nil
	case expression.Items:
		return listOf(p.phrase("list", p.asTexts(args))), nil
	case "json", "members":
		return p.inJSON(t, p.asText(args[0]))
	}
	if h, key, ok := hashOf(t.Function); ok {
		if key {
			return bytesOf(p.call("hmac", p.hash(h), p.asBytes(args[0]), p.asBytes(args[1]))), nil
		}
		return bytesOf(p.call("digest", p.hash(h), p.asBytes(args[0]))), nil
	}
	return p.applied(t, args)
}

func (p *program) asTexts(all []term) []string {
	texts := make([]string, len(all))
	for i, t := range all {
		texts[i] = p.asText(t)
	}
	return texts
}

// inJSON writes the value at a path of a document, or the members of an object there.
func (p *program) inJSON(t expression.Term, document string) (term, error) {
	var path []string
	if text := string(t.Args[1].Text); text != "$" {
		var err error
		if path, err = steps(text); err != nil {
			return term{}, err
		}
	}
	if t.Function == "members" {
		return listOf(p.inDocument("sortedMembers", document, path)), nil
	}
	return textOf(p.inDocument("field", document, path)), nil
}

// hashOf returns the hash of a digest, or of an HMAC, which takes a key.
func hashOf(function string) (h crypto.Hash, key, ok bool) {
	function = strings.TrimPrefix(function, "derive_")
	function, key = strings.CutPrefix(function, "hmac_")
	h, ok = map[string]crypto.Hash{
		"md5": crypto.MD5, "sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
		"sha3_256": crypto.SHA3_256, "sha3_512": crypto.SHA3_512, "blake2b_256": crypto.BLAKE2b_256, "blake2b_512": crypto.BLAKE2b_512,
	}[function]
	return h, key, ok
}

// applied writes the call of a function of expressions. It fails with [errBeyond] if programs lack it.
func (p *program) applied(t expression.Term, args []term) (term, error) {
	of := args[0]
	switch t.Function {
	case "base64":
		return textOf(p.encode(inBase64, p.asBytes(of))), nil
	case "base64url":
		return textOf(p.encode(inBase64URL, p.asBytes(of))), nil
	case "hex":
		return textOf(p.encode(inHex, p.asBytes(of))), nil
	case "hex_upper":
		return textOf(p.encode(inHexUpper, p.asBytes(of))), nil
	case "lower", "upper":
		return textOf(p.phrase(t.Function, p.asText(of))), nil
	case "unhex":
		return bytesOf(p.decode(inHex, p.asText(of))), nil
	case "unbase64":
		return bytesOf(p.call("unbase64", p.asText(of))), nil
	case "size":
		return textOf(p.phrase("size", p.asBytes(of))), nil
	case "crc32":
		return textOf(p.call("crc32", p.asBytes(of))), nil
	case "percent", "form_encode":
		function := strings.TrimSuffix(t.Function, "_encode") + "Encoded"
		if of.collection != "" {
			return listOf(p.call(function+"Pairs", of.collection)), nil
		}
		return textOf(p.call(function, p.asText(of))), nil
	case "minify", "between":
		return textOf(p.call(t.Function, p.asTexts(args)...)), nil
	case "form":
		return listOf(p.call("formPairs", p.asText(of))), nil
	case "without_empty":
		return listOf(p.call("withoutEmpty", of.collection)), nil
	case "omit", "select":
		return listOf(p.call(t.Function+"Pairs", of.collection, args[1].collection)), nil
	case "keys", "values", "sorted":
		return listOf(p.call(t.Function+"Of", of.collection)), nil
	case "get":
		return textOf(p.phrase("entry", fields{"map": of.collection, "name": p.asText(args[1])})), nil
	case "join":
		if t.Args[0].Type == expression.Map {
			return textOf(p.call("joinPairs", of.collection, p.asText(args[1]), p.asText(args[2]))), nil
		}
		return textOf(p.phrase("join", fields{"list": of.collection, "separator": p.asText(args[1])})), nil
	case "derive_3des":
		return bytesOf(p.call("derive3des", p.asBytes(of), p.asBytes(args[1]))), nil
	case "sorted_sha1":
		return bytesOf(p.call("sortedSha1", of.collection, p.asBytes(args[1]))), nil
	default:
		return term{}, errBeyond
	}
}

// variable writes a value of the message.
func (p *program) variable(v expression.Variable) (term, error) {
	switch v.Kind {
	case expression.Plain:
		return p.plain(v.Name)
	case expression.Named:
		return textOf(p.texts[v.Name]), nil
	case expression.Header:
		for _, h := range p.Headers {
			if strings.EqualFold(h.Name, v.Name) {
				return textOf(p.header(h.Name)), nil
			}
		}
		text, ok := p.Context.Headers[v.Name]
		if !ok {
			return term{}, errBeyond
		}
		return p.given("The header "+v.Name+" of the call.", v.Name+" header", text), nil
	case expression.Context:
		text, ok := p.Context.Values[v.Name]
		if !ok {
			return term{}, errBeyond
		}
		return p.given("The value "+v.Name+" of the call.", v.Name+" of call", text), nil
	case expression.Time:
		layout := v.Layout.Format
		return p.given("The time of the message, as "+layout+".", "time "+layout, string(v.Layout.Append(nil, p.Context.Time))), nil
	default:
		return term{}, errBeyond // a nonce is in the message
	}
}

// given adds a constant with a value that both sides know. The name consists of the letters and digits of
// the description.
func (p *program) given(comment, description, text string) term {
	words := strings.FieldsFunc(description, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return textOf(p.keep(constant{Comment: comment, Type: "text", Name: camel(strings.ToLower(strings.Join(words, "_"))), Value: p.quote(text)}))
}

// plain writes a variable of every message.
func (p *program) plain(name string) (term, error) {
	if name == "body" && p.Profile.Signing.BeforeEncryption {
		name = "plaintext"
	}
	switch {
	case name == "body" && len(p.Profile.Signing.BodyMembers) > 0:
		return term{}, errBeyond // programs remove members from documents, and not from their exact bytes
	case name == "body" && p.raw == inUTF8:
		return textOf(p.body()), nil
	case name == "body":
		return bytesOf(p.decode(p.raw, p.body())), nil
	case name == "plaintext" && p.textual():
		return textOf("plaintext"), nil
	case name == "plaintext":
		return bytesOf("plaintext"), nil
	case name == "secret":
		key, err := p.sharedKey(p.at(signingField), signingKey)
		return bytesOf(key), err
	case p.texts[name] != "":
		return textOf(p.texts[name]), nil
	default:
		return textOf(p.quote(p.known(name))), nil
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

// needsPlaintext reports whether the signature covers the plaintext, so that the message must be decrypted
// first.
func needsPlaintext(s *describe.Signing) bool {
	if s.Strings == nil {
		return false
	}
	for v := range s.Strings.Wants() {
		if v.Kind == expression.Plain && v.Name == "plaintext" {
			return true
		}
	}
	return s.BeforeEncryption
}
