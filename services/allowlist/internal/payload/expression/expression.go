// Package expression compiles and evaluates the strings that signatures are made of: the signed
// string, and the values in headers, query parameters, and bodies.
//
// There are two notations, and both become the same program. A template, such as
// `${timestamp}.${body|sha256|hex}`, is the short form ([Template]). An expression is in the syntax
// of CEL (github.com/google/cel-spec) and says what a template cannot ([Compile]):
//
//	method + "\n" + path + "\n" + hex(sha256(body))
//	base64(hmac_sha256(derive_3des(secret, json(plaintext, '$.order')), body))
//
// # Types
//
// CEL's parser reads expressions; its type checker and its standard library are not used, because
// both have values of any type (`dyn`), through which a secret could be compared, ordered, or
// selected. Here each node has one of a few types, and the table in functions.go says which types
// a function takes. A [Secret] is taken by digests, MACs, and derivations alone, so the bytes of a
// key reach no result except through one of them. There is no comparison, condition, or loop.
//
// # Evaluation
//
// [Program.Bind] takes the values of one message and evaluates everything that can fail. Writing
// the result streams into a hash or a buffer: the body is not copied. The work of a message is
// bounded before any of it is done.
//
// A Program is immutable and safe for concurrent use; a [Bound] is not.
package expression

import (
	"cmp"
	"errors"
	"slices"
)

// The limits of programs.
const (
	// MaxBytes is the maximum length of an expression.
	MaxBytes = 4096
	// maxNodes is the maximum number of calls, literals, and variables in an expression.
	maxNodes = 512
	// maxWork bounds the bytes that the functions of a program process for one message.
	maxWork = 96 << 20
)

// ErrTooLong means that a message is too long for the program.
var ErrTooLong = errors.New("the string takes too much work to assemble")

// A ValueError means that a message has no usable value for a variable, or none that a function
// accepts. One of its fields is set.
type ValueError struct {
	// Variable is the variable that has no usable value.
	Variable Variable
	// Path is the path of a value that a JSON document lacks.
	Path string
	// Function is the name of a function that does not accept a value.
	Function string
}

// Name returns the variable, such as `path` or `header('date')`, the path, as `json:$.amount`, or
// the function.
func (e *ValueError) Name() string {
	if e.Path != "" {
		return pathPrefix + e.Path
	}
	return cmp.Or(e.Function, e.Variable.String())
}

// Error names the variable, the path, or the function.
func (e *ValueError) Error() string { return "no usable value for " + e.Name() }

// A Type is the type of a node.
type Type int

// The types.
const (
	// String is public text.
	String Type = iota + 1
	// Bytes are public bytes.
	Bytes
	// Secret is the key, or anything that depends on it and may still reveal it.
	Secret
	// List is a list of strings.
	List
	// Map maps strings to strings, in the order of the names.
	Map
	// number is a literal that a function takes as a setting.
	number
)

func (t Type) String() string {
	return [...]string{"nothing", "a string", "bytes", "a secret", "a list", "a map", "a number"}[t]
}

// A Scope lists the variables of an expression.
type Scope struct {
	// Constants are the fixed strings, by name.
	Constants map[string]string
	// Values are the names of strings that the caller computes before this one.
	Values []string
	// Secret says that the expression may use `secret`.
	Secret bool
	// Random says that the expression may be a single call of `nonce`.
	Random bool
}

// A Kind says where the value of a variable comes from.
type Kind int

// The kinds.
const (
	// Plain is a variable of the message, such as `body`.
	Plain Kind = iota
	// Named is a string that the caller computes: one of [Scope].Values.
	Named
	// Header is a header, and Context a string of the call.
	Header
	Context
	// Time is the time in a layout, and Nonce is random.
	Time
	Nonce
)

// A Variable is a value that a program takes from the message.
type Variable struct {
	Kind Kind
	// Name is the name of the variable, of the header in lower case, or of the string of the call.
	Name string
	// Layout is set for a Time, and Length for a Nonce.
	Layout Layout
	Length int
}

// String returns the variable as errors name it.
func (v Variable) String() string {
	switch v.Kind {
	case Header:
		return "header('" + v.Name + "')"
	case Context:
		return "context('" + v.Name + "')"
	default:
		return v.Name
	}
}

// A Program is a compiled template or expression.
type Program struct {
	root      *node
	variables []Variable
	// strict are the nodes that are evaluated when a message is bound, arguments first.
	strict []*node
	// absent says for each variable that `first` may do without it.
	absent []bool
}

// Type returns the type of the result: [String], [Bytes], or, for a digest that hashes the whole
// program, [Secret].
func (p *Program) Type() Type { return p.root.typ }

// Variables returns the values that the program takes from a message.
func (p *Program) Variables() []Variable { return p.variables }

// Has reports whether the program uses a variable of the message.
func (p *Program) Has(name string) bool {
	return slices.ContainsFunc(p.variables, func(v Variable) bool { return v.Kind == Plain && v.Name == name })
}

// Single returns the variable that is the whole program, or one without a name if the program
// computes its result.
func (p *Program) Single() Variable {
	if p.root.op != opVariable {
		return Variable{}
	}
	return p.variables[p.root.variable]
}

// Sorts reports whether the program sorts the secret among other values, with `sorted_sha1`.
func (p *Program) Sorts() bool {
	return p.root.any(func(n *node) bool { return n.keyed.sorts })
}

// any reports whether a condition holds for a node or one below it.
func (n *node) any(is func(*node) bool) bool {
	return is(n) || slices.ContainsFunc(n.args, func(arg *node) bool { return arg.any(is) })
}

// collect numbers the variables of a finished program.
func (p *Program) collect(n *node, absent bool) {
	for i, arg := range n.args {
		p.collect(arg, absent || n.name == nameFirst && i == 0)
	}
	if n.op == opVariable {
		n.variable = slices.Index(p.variables, n.leaf)
		if n.variable < 0 {
			n.variable = len(p.variables)
			p.variables, p.absent = append(p.variables, n.leaf), append(p.absent, true)
		}
		p.absent[n.variable] = p.absent[n.variable] && absent && (n.leaf.Kind == Header || n.leaf.Kind == Context)
	}
	if n.fails != nil && !n.secret {
		n.slot = len(p.strict)
		p.strict = append(p.strict, n)
	}
}

func finished(root *node) *Program {
	p := &Program{root: root}
	p.collect(root, false)
	return p
}

// plainNames returns the variables that all programs may use.
func plainNames() []string {
	return []string{
		"timestamp", "timestamp_ms", "timestamp_rfc3339", "id", "body", "plaintext", "method", "host", "path", "query", "content_type",
	}
}

// typeOf returns the type of a variable of the message.
func typeOf(name string) Type {
	switch name {
	case "body", "plaintext":
		return Bytes
	case nameSecret:
		return Secret
	default:
		return String
	}
}

const nameSecret = "secret"
