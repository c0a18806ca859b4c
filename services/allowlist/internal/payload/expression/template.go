package expression

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The limits of a template.
const (
	maxTemplateBytes = 1024
	maxPlaceholders  = 32
	maxFunctions     = 4
)

// pathPrefix begins the name of a placeholder for a value of the plaintext.
const pathPrefix = "json:"

// Template compiles a template of placeholders such as `${body|sha256|hex}`, or returns the
// violation in it. Empty means `${body}`. A template may contain the secret, through encodings and
// digests too: the caller hashes the result as a whole.
func Template(text string) (p *Program, violation string) {
	if len(text) > maxTemplateBytes {
		return nil, "must have at most 1,024 bytes"
	}
	if text == "" {
		text = "${body}"
	}
	root := &node{op: opConcat, typ: Bytes}
	placeholders := 0
	for {
		literal, rest, found := strings.Cut(text, "${")
		if literal != "" {
			root.args = append(root.args, &node{typ: String, literal: []byte(literal)})
		}
		if !found {
			break
		}
		inside, rest, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, "must have the form ${name} or ${name|function} wherever it contains ${"
		}
		made, violation := placeholder(inside)
		if violation != "" {
			return nil, violation
		}
		root.args, root.secret = append(root.args, made), root.secret || made.secret
		placeholders++
		text = rest
	}
	if placeholders == 0 || placeholders > maxPlaceholders {
		return nil, "must have 1-32 placeholders"
	}
	if len(root.args) == 1 {
		root = root.args[0]
	}
	return finished(root), ""
}

// placeholder compiles the content of the braces.
func placeholder(text string) (n *node, violation string) {
	names := strings.Split(text, "|")
	if n, violation = named(names[0]); violation != "" {
		return nil, violation
	}
	if len(names)-1 > maxFunctions {
		return nil, "must have at most 4 functions on a value"
	}
	for _, name := range names[1:] {
		s, ok := templateStreams()[name]
		if !ok {
			return nil, template.Unknown("function", name, templateFunctions())
		}
		n = &node{op: opStream, typ: Bytes, name: name, stream: s, args: []*node{n}, secret: n.secret}
	}
	return n, ""
}

// named returns the variable of a placeholder.
func named(name string) (n *node, violation string) {
	if text, ok := strings.CutPrefix(name, pathPrefix); ok {
		path, ok := validPath(text)
		if !ok {
			return nil, "must have a path such as $.a['b'][0] after json:, without [*], |, and }"
		}
		plaintext := &node{op: opVariable, typ: Bytes, leaf: Variable{Name: "plaintext"}}
		n = &node{name: "json", typ: String, args: []*node{plaintext, {typ: String, literal: []byte(text)}}}
		return n, whole(lookup(jsonbytes.NewLookup(path), text))(n)
	}
	if known := placeholderNames(); !slices.Contains(known, name) {
		return nil, template.Unknown("name", name, known)
	}
	return &node{op: opVariable, typ: typeOf(name), leaf: Variable{Name: name}, secret: name == nameSecret}, ""
}

// placeholderNames are the names in templates, in the order of an explanation.
func placeholderNames() []string {
	names := plainNames()
	i := slices.Index(names, "plaintext") + 1
	return slices.Insert(names, i, pathPrefix+"$.a", nameSecret)
}

// templateFunctions are the functions of templates. All others are for expressions.
func templateFunctions() []string {
	return []string{"base64", "base64url", "hex", "hex_upper", "lower", "upper", "md5", "sha1", "sha256", "sha384", "sha512"}
}

func templateStreams() map[string]stream {
	all := maps.Clone(streams())
	maps.DeleteFunc(all, func(name string, _ stream) bool { return !slices.Contains(templateFunctions(), name) })
	return all
}
