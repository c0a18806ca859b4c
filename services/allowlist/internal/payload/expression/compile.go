package expression

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// maxDepth is the maximum depth of an expression.
const maxDepth = 32

var parsers = sync.OnceValues(func() (*parser.Parser, error) {
	return parser.NewParser(
		parser.MaxRecursionDepth(maxDepth), parser.ExpressionSizeCodePointLimit(MaxBytes), parser.MaxExpressionNodeCount(maxNodes),
		parser.ErrorReportingLimit(1), parser.ErrorRecoveryLimit(1), parser.ErrorRecoveryLookaheadTokenLimit(8), parser.Macros(),
	)
})

// Compile compiles an expression, or returns the violation in it, which names its position. The
// violation does not repeat the source, except for names that cannot be key material.
func Compile(source string, scope Scope) (p *Program, violation string) {
	root, violation := parse(source, scope)
	if violation != "" {
		return nil, violation
	}
	if root.typ != String && root.typ != Bytes {
		return nil, "must be a string or bytes, not " + root.typ.String()
	}
	if violation := checkSecret(root); violation != "" {
		return nil, violation
	}
	if nonces := root.any(func(n *node) bool { return n.op == opVariable && n.leaf.Kind == Nonce }); nonces && (!scope.Random || root.op != opVariable) {
		return nil, "must use nonce only as a whole expression of values"
	}
	return finished(root), ""
}

// Literals returns the strings of an expression, for the search for key material. It returns the
// source itself if it does not parse.
func Literals(source string) []string {
	tree, _, ok := syntax(source)
	if !ok {
		return []string{source}
	}
	var all []string
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.LiteralKind:
			switch v := e.AsLiteral().(type) {
			case types.String:
				all = append(all, string(v))
			case types.Bytes:
				all = append(all, string(v))
			}
		case ast.IdentKind:
			all = append(all, e.AsIdent())
		case ast.SelectKind:
			all = append(all, e.AsSelect().FieldName())
		case ast.CallKind:
			all = append(all, e.AsCall().FunctionName())
		}
	}))
	return all
}

// syntax parses an expression.
func syntax(source string) (tree *ast.AST, at position, ok bool) {
	p, err := parsers()
	if err != nil || len(source) > MaxBytes {
		return nil, position{1, 1}, false
	}
	tree, wrong := p.Parse(common.NewTextSource(source))
	if errs := wrong.GetErrors(); len(errs) > 0 {
		at = position{errs[0].Location.Line(), errs[0].Location.Column() + 1}
		return nil, position{max(at.line, 1), max(at.column, 1)}, false
	}
	return tree, at, true
}

// parse parses and checks an expression.
func parse(source string, scope Scope) (root *node, violation string) {
	tree, at, ok := syntax(source)
	if !ok {
		return nil, "must be an expression of at most 4,096 bytes and 512 terms: syntax error at " + at.String()
	}
	c := &checker{scope: scope, tree: tree}
	root = c.node(tree.Expr())
	if c.violation != "" {
		return nil, c.violation
	}
	return root, ""
}

// A checker turns a syntax tree into nodes with types.
type checker struct {
	scope     Scope
	tree      *ast.AST
	violation string // the first one
}

// fail records a violation at an expression.
func (c *checker) fail(e ast.Expr, violation string) *node {
	if c.violation == "" {
		c.violation = violation + ", at " + c.position(e).String()
	}
	return &node{}
}

// position returns the position of an expression; that of a call is the parenthesis in the syntax
// tree, and the name here.
func (c *checker) position(e ast.Expr) position {
	at := c.tree.SourceInfo().GetStartLocation(e.ID())
	column := at.Column() + 1
	if e.Kind() == ast.CallKind && !e.AsCall().IsMemberFunction() && !strings.HasPrefix(e.AsCall().FunctionName(), "_") {
		column -= len(e.AsCall().FunctionName())
	}
	return position{max(at.Line(), 1), max(column, 1)}
}

const onlyThese = "must consist of variables, strings, lists of strings, +, and calls of functions"

func (c *checker) node(e ast.Expr) *node {
	switch e.Kind() {
	case ast.LiteralKind:
		return c.literal(e)
	case ast.IdentKind:
		return c.variable(e)
	case ast.ListKind:
		return c.list(e)
	case ast.CallKind:
		return c.call(e)
	default:
		return c.fail(e, onlyThese)
	}
}

func (c *checker) literal(e ast.Expr) *node {
	switch v := e.AsLiteral().(type) {
	case types.String:
		return &node{typ: String, literal: []byte(v)}
	case types.Bytes:
		return &node{typ: Bytes, literal: v}
	case types.Int:
		return &node{typ: number, number: int64(v)}
	default:
		return c.fail(e, onlyThese)
	}
}

// variable finds a variable: a constant, another value, or a value of the message.
func (c *checker) variable(e ast.Expr) *node {
	name := e.AsIdent()
	if text, ok := c.scope.Constants[name]; ok {
		return &node{typ: String, literal: []byte(text)}
	}
	known := plainNames()
	if c.scope.Secret {
		known = append(known, nameSecret)
	}
	switch {
	case slices.Contains(c.scope.Values, name):
		return &node{op: opVariable, typ: String, leaf: Variable{Kind: Named, Name: name}}
	case slices.Contains(known, name):
		return &node{op: opVariable, typ: typeOf(name), secret: name == nameSecret, leaf: Variable{Name: name}}
	case name == nameSecret:
		return c.fail(e, "must not use secret: only the input of a computed signature may")
	}
	known = slices.Concat(known, slices.Sorted(maps.Keys(c.scope.Constants)), c.scope.Values)
	return c.fail(e, template.Unknown("variable", name, known))
}

func (c *checker) list(e ast.Expr) *node {
	n := &node{op: opList, typ: List}
	for _, element := range e.AsList().Elements() {
		arg := c.node(element)
		if c.violation == "" && arg.typ != String {
			return c.fail(element, "must have strings in a list, not "+arg.typ.String())
		}
		n.args, n.secret = append(n.args, arg), n.secret || arg.secret
	}
	return n
}

func (c *checker) call(e ast.Expr) *node {
	called := e.AsCall()
	name := called.FunctionName()
	if called.IsMemberFunction() {
		return c.fail(e, "must call functions as name(value), not as value.name()")
	}
	n := &node{name: name, at: c.position(e)}
	for _, arg := range called.Args() {
		made := c.node(arg)
		n.args, n.secret = append(n.args, made), n.secret || made.secret
	}
	if c.violation != "" {
		return n
	}
	if name == operators.Add {
		return c.concatenation(e, n)
	}
	f, ok := table()[name]
	if !ok {
		if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "@") || name == operators.LogicalNot || name == operators.Negate {
			return c.fail(e, onlyThese)
		}
		return c.fail(e, template.Unknown("function", name, functionNames()))
	}
	if n.typ, ok = f.result(n.args); !ok {
		return c.fail(e, "must call "+name+" as "+f.usage(name)+", not with "+typesOf(n.args))
	}
	if violation := f.build(n); violation != "" {
		return c.fail(e, violation)
	}
	return n
}

// concatenation builds the sum of two terms, as one node for all of them.
func (c *checker) concatenation(e ast.Expr, n *node) *node {
	joined := &node{op: opConcat, typ: String, secret: n.secret}
	for _, arg := range n.args {
		switch {
		case !slices.Contains(kinds('x'), arg.typ):
			return c.fail(e, "must add strings and bytes, not "+arg.typ.String())
		case arg.typ == Secret || joined.typ == Secret:
			joined.typ = Secret
		case arg.typ == Bytes:
			joined.typ = Bytes
		}
		switch {
		case arg.op == opConcat:
			joined.args = append(joined.args, arg.args...)
		case arg.op != opLiteral || len(arg.literal) > 0:
			joined.args = append(joined.args, arg)
		}
	}
	if len(joined.args) == 1 && joined.args[0].typ == joined.typ {
		return joined.args[0]
	}
	return joined
}

// result returns the type of a call with some arguments, or false if the function does not take
// them.
func (f function) result(args []*node) (Type, bool) {
	for _, form := range f.forms {
		takes, gives, _ := strings.Cut(form, ">")
		fits := len(takes) == len(args)
		for i := 0; fits && i < len(args); i++ {
			fits = slices.Contains(kinds(takes[i]), args[i].typ) && (takes[i] != 'c' || args[i].op == opLiteral)
		}
		if !fits {
			continue
		}
		if gives == "t" {
			return common2(args), true
		}
		return kinds(gives[0])[0], true
	}
	return 0, false
}

// common2 returns the type of a result that is one of the arguments: bytes if one of them is.
func common2(args []*node) Type {
	for _, arg := range args {
		if arg.typ == Bytes {
			return Bytes
		}
	}
	return String
}

// usage describes the arguments of a function.
func (f function) usage(name string) string {
	words := map[byte]string{
		's': "string", 'b': "bytes", 't': "text", 'x': "text", 'k': "secret", 'l': "list", 'm': "map", 'c': "'fixed string'", 'n': "number",
	}
	var all []string
	for _, form := range f.forms {
		var args []string
		takes, _, _ := strings.Cut(form, ">")
		for i := range len(takes) {
			args = append(args, words[takes[i]])
		}
		all = append(all, name+"("+strings.Join(args, ", ")+")")
	}
	return strings.Join(all, " or ")
}

func typesOf(args []*node) string {
	all := make([]string, len(args))
	for i, arg := range args {
		all[i] = arg.typ.String()
	}
	if len(all) == 0 {
		return "no arguments"
	}
	return strings.Join(all, ", ")
}
