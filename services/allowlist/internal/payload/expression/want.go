package expression

// A Want says what the functions of expressions take out of a value: what a made-up value must have
// so that they find it.
type Want struct {
	// Object says that the value is a JSON object, and Form that it is a form or a query.
	Object, Form bool
	// Paths are the values of a JSON document, by path, and Fields those of a form, by name.
	Paths, Fields map[string]*Want
	// Base64 and Hex say what the decoded value must be.
	Base64, Hex *Want
}

// Wants returns what programs take out of the variables of a message. The programs of named values
// are given by name.
func Wants(named map[string]*Program, programs ...*Program) map[Variable]*Want {
	w := wants{named, make(map[Variable]*Want)}
	for _, p := range programs {
		p.root.each(func(n *node) { w.of(n) })
	}
	return w.found
}

type wants struct {
	named map[string]*Program
	found map[Variable]*Want
}

// of returns what is wanted of the value of a node. If the value is not that of a variable or a part
// of one, nothing follows from it.
func (w *wants) of(n *node) *Want {
	if n.op == opVariable {
		if p := w.named[n.leaf.Name]; n.leaf.Kind == Named && p != nil {
			return w.of(p.root)
		}
		return wanted(w.found, n.leaf)
	}
	if len(n.args) == 0 {
		return new(Want)
	}
	from := func() *Want { return w.of(n.args[0]) }
	switch n.name {
	case "json", "members":
		return from().at(string(n.args[1].literal), n.name == "members")
	case "get":
		return from().entry(string(n.args[1].literal))
	case "form":
		of := from()
		of.Form = true
		return of
	case "minify", "canonical_json", "sorted_json":
		of := from()
		of.Object = true
		return of
	case "unbase64":
		return only(&from().Base64)
	case "unhex":
		return only(&from().Hex)
	case nameFirst:
		return from()
	}
	if n.typ == Map { // select, omit, and others that keep the entries of a map
		return from()
	}
	return new(Want)
}

// at returns what is wanted of the value at a path, which is `$` for the document itself.
func (w *Want) at(path string, object bool) *Want {
	w.Object = true
	if path != "$" {
		if w.Paths == nil {
			w.Paths = make(map[string]*Want)
		}
		w = wanted(w.Paths, path)
	}
	w.Object = w.Object || object
	return w
}

// entry returns what is wanted of the value of a name in a map.
func (w *Want) entry(name string) *Want {
	if !w.Form {
		return w.at("$['"+name+"']", false)
	}
	if w.Fields == nil {
		w.Fields = make(map[string]*Want)
	}
	return wanted(w.Fields, name)
}

func wanted[K comparable](all map[K]*Want, of K) *Want {
	if all[of] == nil {
		all[of] = new(Want)
	}
	return all[of]
}

func only(at **Want) *Want {
	if *at == nil {
		*at = new(Want)
	}
	return *at
}
