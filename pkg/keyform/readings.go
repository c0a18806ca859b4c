package keyform

import "bytes"

// Readings returns copies of a value in each form in which the package reads it: the text of
// UTF-16, the decoded bytes, and the DER of PEM.
func Readings(value []byte) [][]byte {
	var all [][]byte
	for _, d := range []Decoding{Hex, Base64, Whsec} {
		if decoded, err := Decode(d, value); err == nil && len(decoded) > 0 {
			all = append(all, decoded)
		}
	}
	t := textOf(value)
	defer t.erase()
	body := t.trimmed()
	if !isText(body) {
		return all
	}
	if t.wide {
		all = append(all, bytes.Clone(body))
	}
	body, _ = unquoted(body)
	body, escaped := cutEscapes(body)
	if escaped {
		defer clear(body)
	}
	if der, _ := bareDER(body); der != nil {
		all = append(all, der)
	}
	for _, b := range blocksOf(body) {
		if len(b.der) > 0 {
			all = append(all, b.der)
		}
	}
	return all
}
