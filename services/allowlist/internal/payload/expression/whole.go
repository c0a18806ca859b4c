package expression

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// The functions that are evaluated as a whole. They fail with a [*ValueError] that names them, if a
// value of the message does not suit them.

// unusable is the error of a function that cannot use its argument.
func (c *call) unusable() error { return &ValueError{Function: c.name} }

// decoded is unhex and unbase64.
func decoded(decode func(text []byte) ([]byte, bool)) func(*call) (value, error) {
	return func(c *call) (value, error) {
		text, err := c.text(0)
		if err != nil {
			return value{}, err
		}
		out, ok := decode(text)
		if !ok {
			return value{}, c.unusable()
		}
		return value{text: present(out)}, nil
	}
}

func fromHex(text []byte) ([]byte, bool) {
	out, err := hex.AppendDecode(nil, text)
	return out, err == nil
}

// fromBase64 reads both alphabets, with or without padding.
func fromBase64(text []byte) ([]byte, bool) {
	standard := bytes.TrimRight(text, "=")
	if len(text)-len(standard) > 2 {
		return nil, false
	}
	standard = bytes.ReplaceAll(bytes.ReplaceAll(standard, []byte{'-'}, []byte{'+'}), []byte{'_'}, []byte{'/'})
	out, err := base64.RawStdEncoding.Strict().AppendDecode(nil, standard)
	return out, err == nil && !bytes.ContainsAny(text, "\r\n")
}

// minTruncated is the least number of bytes or characters of a truncated MAC or digest: 64 bits in
// hexadecimal.
const minTruncated = 16

// slice takes a part of a string or of bytes. Positions beyond the ends are the ends.
func slice(c *call) (value, error) {
	text, err := c.text(0)
	if err != nil {
		return value{}, err
	}
	place := func(n int64) int {
		if n < 0 {
			n += int64(len(text))
		}
		return int(min(max(n, 0), int64(len(text))))
	}
	from, to := place(c.args[1].number), place(c.args[2].number)
	out := text[from:max(from, to)]
	if c.typ == String && !utf8.Valid(out) || c.secret && len(out) < minTruncated {
		return value{}, c.unusable()
	}
	return value{text: present(out)}, nil
}

// between returns what stands between the first occurrence of a string and that of another one
// behind it.
func between(c *call) (value, error) {
	text, err := c.text(0)
	if err != nil {
		return value{}, err
	}
	_, rest, ok := bytes.Cut(text, c.args[1].literal)
	found, _, closed := bytes.Cut(rest, c.args[2].literal)
	if !ok || !closed || !utf8.Valid(found) {
		return value{}, c.unusable()
	}
	return value{text: present(found)}, nil
}

// present makes an empty text different from a missing one.
func present(text []byte) []byte {
	if text == nil {
		return []byte{}
	}
	return text
}

// lookup is json with a path that was parsed when the program was compiled.
func lookup(l *jsonbytes.Lookup, path string) func(*call) (value, error) {
	return func(c *call) (value, error) {
		document, err := c.text(0)
		if err != nil {
			return value{}, err
		}
		if raw, ok := l.Value(document); ok {
			if text, ok := jsonbytes.Text(raw); ok {
				return value{text: present(text)}, nil
			}
		}
		return value{}, &ValueError{Path: path}
	}
}

// members lists the members of the JSON object at a path.
func members(at func(document []byte) (raw []byte, ok bool), path string) func(*call) (value, error) {
	return func(c *call) (value, error) {
		document, err := c.text(0)
		if err != nil {
			return value{}, err
		}
		raw, ok := at(document)
		if !ok {
			return value{}, &ValueError{Path: path}
		}
		var pairs []pair
		ok = jsonbytes.Members(raw, func(name, text []byte) bool {
			pairs = append(pairs, pair{name, text})
			return true
		})
		return c.mapped(pairs, ok)
	}
}

// root returns a whole document.
func root(document []byte) (raw []byte, ok bool) { return document, jsonbytes.Valid(document) }

// form lists the pairs of a form body or a query, decoded.
func form(c *call) (value, error) {
	text, err := c.text(0)
	if err != nil {
		return value{}, err
	}
	var pairs []pair
	for part := range strings.SplitSeq(string(text), "&") {
		if part == "" {
			continue
		}
		name, v, _ := strings.Cut(part, "=")
		name, nameErr := url.QueryUnescape(name)
		v, valueErr := url.QueryUnescape(v)
		if nameErr != nil || valueErr != nil {
			return value{}, c.unusable()
		}
		pairs = append(pairs, pair{[]byte(name), []byte(v)})
	}
	return c.mapped(pairs, true)
}

// mapped returns a map in the order of the names. It refuses a name that occurs twice: receivers
// disagree on which one counts.
func (c *call) mapped(pairs []pair, ok bool) (value, error) {
	slices.SortStableFunc(pairs, byName)
	for i := 1; i < len(pairs); i++ {
		ok = ok && !bytes.Equal(pairs[i-1].name, pairs[i].name)
	}
	if !ok {
		return value{}, c.unusable()
	}
	return value{pairs: pairs}, nil
}

func byName(a, b pair) int { return bytes.Compare(a.name, b.name) }

// rewritten is a function on JSON documents.
func rewritten(rewrite func(document *jsontext.Value) error) func(*call) (value, error) {
	return func(c *call) (value, error) {
		text, err := c.text(0)
		if err != nil {
			return value{}, err
		}
		if !jsonbytes.Valid(text) { // also bounds the depth
			return value{}, c.unusable()
		}
		document := jsontext.Value(bytes.Clone(text))
		if err := rewrite(&document); err != nil {
			return value{}, c.unusable()
		}
		return value{text: document}, nil
	}
}

func canonical(v *jsontext.Value) error { return v.Canonicalize() }

func compact(v *jsontext.Value) error { return v.Compact(jsontext.AllowDuplicateNames(true)) }

func sortedJSON(v *jsontext.Value) error {
	return v.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(true), jsontext.Multiline(false), jsontext.SpaceAfterColon(false), jsontext.SpaceAfterComma(false))
}

// argument returns the value of an argument that is a list or a map.
func (c *call) argument(i int) (value, error) { return c.bound.value(c.args[i]) }

func sorted(c *call) (value, error) {
	v, err := c.argument(0)
	list := slices.Clone(v.list)
	slices.SortStableFunc(list, bytes.Compare)
	return value{list: list}, err
}

// join joins a list, or the pairs of a map.
func join(c *call) (value, error) {
	v, err := c.argument(0)
	if err != nil {
		return value{}, err
	}
	var texts [2][]byte
	for i := range c.args[1:] {
		if texts[i], err = c.text(i + 1); err != nil {
			return value{}, err
		}
	}
	list, separator := v.list, texts[0]
	if c.args[0].typ == Map {
		separator = texts[1]
		for _, p := range v.pairs {
			list = append(list, slices.Concat(p.name, texts[0], p.value))
		}
	}
	size := 0
	for _, text := range list {
		if size += len(text) + len(separator); size > maxWork {
			return value{}, ErrTooLong
		}
	}
	return value{text: present(bytes.Join(list, separator))}, nil
}

// listOf is keys and values.
func listOf(part func(pair) []byte) func(*call) (value, error) {
	return func(c *call) (value, error) {
		v, err := c.argument(0)
		list := make([][]byte, len(v.pairs))
		for i, p := range v.pairs {
			list[i] = part(p)
		}
		return value{list: list}, err
	}
}

// get returns the value of a name.
func get(c *call) (value, error) {
	v, err := c.argument(0)
	if err != nil {
		return value{}, err
	}
	name := c.args[1].literal
	i, ok := slices.BinarySearchFunc(v.pairs, name, func(p pair, name []byte) int { return bytes.Compare(p.name, name) })
	if !ok {
		return value{}, c.unusable()
	}
	return value{text: present(v.pairs[i].value)}, nil
}

// filtered keeps some pairs of a map; the second argument, if there is one, is a list of names.
func filtered(keep func(p pair, named bool) bool) func(*call) (value, error) {
	return func(c *call) (value, error) {
		v, err := c.argument(0)
		if err != nil {
			return value{}, err
		}
		var names value
		if len(c.args) > 1 {
			if names, err = c.argument(1); err != nil {
				return value{}, err
			}
		}
		var kept []pair
		for _, p := range v.pairs {
			if keep(p, slices.ContainsFunc(names.list, func(name []byte) bool { return bytes.Equal(name, p.name) })) {
				kept = append(kept, p)
			}
		}
		return value{pairs: kept}, nil
	}
}

// encoded encodes the names and the values of a map, and sorts it by the encoded names.
func encoded(escape func(dst []byte, c byte) []byte) func(*call) (value, error) {
	all := func(text []byte) []byte {
		out := make([]byte, 0, len(text))
		for _, c := range text {
			out = escape(out, c)
		}
		return out
	}
	return func(c *call) (value, error) {
		v, err := c.argument(0)
		pairs := make([]pair, len(v.pairs))
		for i, p := range v.pairs {
			pairs[i] = pair{all(p.name), all(p.value)}
		}
		slices.SortStableFunc(pairs, byName)
		return value{pairs: pairs}, err
	}
}

// first returns its first argument, or the second if a message lacks the first.
func first(c *call) (value, error) {
	text, err := c.text(0)
	if err == nil && text != nil {
		return value{text: text}, nil
	}
	text, err = c.text(1)
	return value{text: present(text)}, err
}
