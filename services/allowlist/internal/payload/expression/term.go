package expression

// A Term is a part of a program, for those who write the program in another language.
type Term struct {
	// Function is the name of the function that computes the value: one of the table of functions, [Sum], or
	// [Items]. It is empty for a variable and for a literal.
	Function string
	Args     []Term
	// Variable is the variable of the message, or nil.
	Variable *Variable
	// Text is a literal string, or literal bytes, and Type says which. Number is a literal number.
	Text   []byte
	Number int64
	// Type is the type of the value. Functions of templates have bytes, also if these are text.
	Type Type
}

// The functions that have an operator.
const (
	// Sum concatenates its arguments.
	Sum = "+"
	// Items is a list of its arguments.
	Items = "[]"
)

// Document reports whether the function reads its argument as a JSON document, whose blanks then do not count.
func (t Term) Document() bool {
	return t.Function == "json" || t.Function == "members" || t.Function == "minify"
}

// Term returns the program as a term.
func (p *Program) Term() Term { return p.root.term() }

func (n *node) term() Term {
	t := Term{Function: n.name, Type: n.typ, Text: n.literal, Number: n.number}
	switch n.op {
	case opVariable:
		t.Function, t.Variable = "", &n.leaf
	case opConcat:
		t.Function = Sum
	case opList:
		t.Function = Items
	}
	for _, arg := range n.args {
		t.Args = append(t.Args, arg.term())
	}
	return t
}
