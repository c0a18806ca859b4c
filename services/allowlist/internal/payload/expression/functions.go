package expression

import (
	"crypto"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// A function is an entry of the table of functions.
type function struct {
	// forms are the types of the arguments and the result, such as `t>s`. See [kinds].
	forms []string
	// build completes a node whose arguments have the right types, or returns the violation.
	build func(n *node) (violation string)
}

// kinds says which types an argument may have, by the letter in the form of a function: t is text,
// x is text or a secret, k is a secret, c is a fixed string, and n is a fixed number. As a result, t
// is the type of the first argument, and k a secret.
func kinds(letter byte) []Type {
	switch letter {
	case 's', 'c':
		return []Type{String}
	case 'b':
		return []Type{Bytes}
	case 't':
		return []Type{String, Bytes}
	case 'x':
		return []Type{String, Bytes, Secret}
	case 'k':
		return []Type{Secret}
	case 'l':
		return []Type{List}
	case 'm':
		return []Type{Map}
	default:
		return []Type{number}
	}
}

const (
	nameFirst = "first"
	nameTime  = "time"
	nameNonce = "nonce"
)

// table returns all functions by name. Adding one is a line here; its documentation is the comment
// of the contract's Signing.
var table = sync.OnceValue(func() map[string]function {
	all := map[string]function{
		"unhex":          {forms: []string{"s>b"}, build: whole(decoded(fromHex))},
		"unbase64":       {forms: []string{"s>b"}, build: whole(decoded(fromBase64))},
		"slice":          {forms: []string{"tnn>t"}, build: whole(slice)},
		"between":        {forms: []string{"tcc>s"}, build: whole(between)},
		"json":           {forms: []string{"tc>s"}, build: buildJSON},
		"members":        {forms: []string{"tc>m"}, build: buildMembers},
		"form":           {forms: []string{"t>m"}, build: whole(form)},
		"canonical_json": {forms: []string{"t>s"}, build: growing(25, rewritten(canonical))},
		"sorted_json":    {forms: []string{"t>s"}, build: whole(rewritten(sortedJSON))},
		"minify":         {forms: []string{"t>s"}, build: whole(rewritten(compact))},
		"sorted":         {forms: []string{"l>l"}, build: whole(sorted)},
		"join":           {forms: []string{"ls>s", "mss>s"}, build: whole(join)},
		"keys":           {forms: []string{"m>l"}, build: whole(listOf(func(p pair) []byte { return p.name }))},
		"values":         {forms: []string{"m>l"}, build: whole(listOf(func(p pair) []byte { return p.value }))},
		"get":            {forms: []string{"mc>s"}, build: whole(get)},
		"select":         {forms: []string{"ml>m"}, build: whole(filtered(func(_ pair, named bool) bool { return named }))},
		"omit":           {forms: []string{"ml>m"}, build: whole(filtered(func(_ pair, named bool) bool { return !named }))},
		"without_empty":  {forms: []string{"m>m"}, build: whole(filtered(func(p pair, _ bool) bool { return len(p.value) > 0 }))},
		nameFirst:        {forms: []string{"tt>t"}, build: buildFirst},
		"header":         {forms: []string{"c>s"}, build: buildHeader},
		"context":        {forms: []string{"c>s"}, build: buildContext},
		nameTime:         {forms: []string{"c>s", "cc>s", "ccn>s"}, build: buildTime},
		nameNonce:        {forms: []string{"n>s"}, build: buildNonce},
	}
	for name, s := range streams() {
		all[name] = streaming(name, s)
	}
	for name, k := range keyedFunctions() {
		all[name] = keying(k)
	}
	return all
})

// functionNames returns the names of all functions.
func functionNames() []string { return slices.Sorted(maps.Keys(table())) }

// whole builds a node that is evaluated as a whole.
func whole(fails func(*call) (value, error)) func(*node) string { return growing(1, fails) }

func growing(factor int, fails func(*call) (value, error)) func(*node) string {
	return func(n *node) string {
		n.op, n.fails, n.grows = opFails, fails, factor
		return ""
	}
}

// streaming is the function of a stream. Digests also take secrets, and encodings of maps encode
// all names and values.
func streaming(name string, s stream) function {
	forms := []string{"t>s"}
	switch {
	case s.hash != 0:
		forms = []string{"x>b"}
	case name == "lower" || name == "upper":
		forms = []string{"s>s"}
	case name == "percent" || name == "form_encode":
		forms = append(forms, "m>m")
	}
	return function{forms: forms, build: func(n *node) string {
		if n.args[0].typ == Map {
			escape := unreserved
			if name == "form_encode" {
				escape = ofForms
			}
			return growing(3, encoded(escape))(n)
		}
		n.op, n.stream = opStream, s
		return ""
	}}
}

// keying is a function that takes a key.
func keying(k keyed) function {
	form := "kx>b"
	switch {
	case k.sorts:
		form = "lk>b"
	case k.derives && k.hash == 0:
		form = "kt>k"
	case k.derives:
		form = "kx>k"
	}
	return function{forms: []string{form}, build: func(n *node) string {
		n.op, n.keyed = opKeyed, k
		return ""
	}}
}

func validPath(text string) (jsonbytes.Path, bool) {
	path, ok := jsonbytes.ParsePath(text)
	return path, ok && path.Exact()
}

func buildJSON(n *node) string {
	text := string(n.args[1].literal)
	path, ok := validPath(text)
	if !ok {
		return "must have a path such as '$.a[0]' as the second argument of json"
	}
	return whole(lookup(jsonbytes.NewLookup(path), text))(n)
}

func buildMembers(n *node) string {
	text := string(n.args[1].literal)
	if text == "$" {
		return whole(members(root, text))(n)
	}
	path, ok := validPath(text)
	if !ok {
		return "must have a path such as '$' or '$.a[0]' as the second argument of members"
	}
	return whole(members(jsonbytes.NewLookup(path).Value, text))(n)
}

// buildFirst allows values that a message may lack: a function that fails for another reason must
// not be taken for one.
func buildFirst(n *node) string {
	if !slices.Contains([]string{"json", "get", "between", "header", "context", nameFirst}, n.args[0].name) {
		return "must have json, get, between, header, or context as the first argument of first"
	}
	return whole(first)(n)
}

func buildHeader(n *node) string {
	name := strings.ToLower(string(n.args[0].literal))
	if name == "" || len(name) > 64 {
		return "must have the name of a header as the argument of header"
	}
	return n.becomes(Variable{Kind: Header, Name: name})
}

func buildContext(n *node) string {
	name := string(n.args[0].literal)
	if name == "" || len(name) > 32 {
		return "must have the name of one of context.values as the argument of context"
	}
	return n.becomes(Variable{Kind: Context, Name: name})
}

func buildTime(n *node) string {
	offset := ""
	if len(n.args) > 1 {
		offset = string(n.args[1].literal)
	}
	layout, violation := newLayout(string(n.args[0].literal), offset)
	if violation != "" {
		return violation
	}
	if len(n.args) > 2 {
		layout.Later = n.args[2].number
		if layout.Later < 1 || layout.Later > maxLater || !layout.Fine {
			return "must have 1 to 31536000 as the third argument of time, and a layout with seconds"
		}
	}
	return n.becomes(Variable{Kind: Time, Name: nameTime, Layout: layout})
}

const (
	minNonce = 8
	maxNonce = 64
)

func buildNonce(n *node) string {
	length := n.args[0].number
	if length < minNonce || length > maxNonce {
		return "must have a number from 8 to 64 as the argument of nonce"
	}
	return n.becomes(Variable{Kind: Nonce, Name: nameNonce, Length: int(length)})
}

// becomes turns a call into a variable.
func (n *node) becomes(v Variable) string {
	n.op, n.leaf, n.args = opVariable, v, nil
	return ""
}

// Chars returns the characters that the result may contain, or an empty string if it may contain
// any.
func (p *Program) Chars() string {
	switch n := p.root; {
	case n.op == opStream:
		return n.stream.chars
	case n.op == opVariable && n.leaf.Kind == Time:
		return n.leaf.Layout.chars()
	default:
		return ""
	}
}

// Hashes reports whether the program takes a digest of public values, or a MAC, with one of some
// hashes.
func (p *Program) Hashes(which ...crypto.Hash) bool {
	return p.root.any(func(n *node) bool {
		return n.op == opStream && slices.Contains(which, n.stream.hash) ||
			n.keyed.sorts && slices.Contains(which, crypto.SHA1)
	})
}

// position is a place in the source.
type position struct{ line, column int }

func (p position) String() string {
	return "line " + strconv.Itoa(p.line) + ", column " + strconv.Itoa(p.column)
}
