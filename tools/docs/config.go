package main

import (
	"errors"
	"fmt"
	"go/ast"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// basic names the types of settings as the reference shows them.
var basic = map[string]string{
	"string": "string", "bool": "boolean", "int": "integer", "int64": "integer", "uint32": "integer", "float64": "number",
	"time.Duration": "duration",
}

// A setting is one key of a configuration file.
type setting struct {
	key, typ, comment string
	name              string // of the Go field
}

// A section is the settings below one key.
type section struct {
	key, comment string
	settings     []setting
	sections     []*section
	names        map[string]string // of Go fields, to keys, in and below this section
}

// config returns the reference of a configuration struct.
func (g *generator) config(name string) (string, error) {
	st, err := g.source.structure(name)
	if err != nil {
		return "", err
	}
	top := &section{names: make(map[string]string)}
	if err := g.fill(top, st, ""); err != nil {
		return "", err
	}
	var out strings.Builder
	top.print(&out)
	return out.String(), nil
}

// fill adds the fields of a struct to a section whose keys begin with the prefix.
func (g *generator) fill(into *section, st *structure, prefix string) error {
	for _, field := range st.typ.Fields.List {
		if field.Tag == nil || len(field.Names) == 0 && !inline(field) {
			continue
		}
		key, options := yamlTag(field)
		if key == "-" {
			continue
		}
		expr, list := element(field.Type)
		of, ours := st.named(expr)
		if ours && options == "inline" {
			inner, err := g.source.structure(of)
			if err != nil {
				return err
			}
			if err := g.fill(into, inner, prefix); err != nil {
				return err
			}
			continue
		}
		name := field.Names[0].Name
		comment := strings.TrimSpace(field.Doc.Text())
		if comment == "" {
			return fmt.Errorf("the field %s.%s has no comment", st.pkg.path, name)
		}
		into.names[name] = prefix + key
		if !ours {
			into.settings = append(into.settings, setting{prefix + key, typeName(expr, list), comment, name})
			continue
		}
		inner, err := g.source.structure(of)
		if err != nil {
			return err
		}
		below := &section{key: prefix + key, comment: trimName(name, comment), names: make(map[string]string)}
		innerPrefix := prefix + key + "."
		if list {
			innerPrefix = prefix + key + "[]."
		}
		if err := g.fill(below, inner, innerPrefix); err != nil {
			return err
		}
		into.sections = append(into.sections, below)
	}
	if len(into.settings)+len(into.sections) == 0 {
		return errors.New("the struct has no settings")
	}
	return nil
}

func inline(field *ast.Field) bool {
	_, options := yamlTag(field)
	return options == "inline"
}

// yamlTag returns the key and the options of a field's tag.
func yamlTag(field *ast.Field) (key, options string) {
	tag, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return "-", ""
	}
	text, ok := reflect.StructTag(tag).Lookup("yaml")
	if !ok {
		return "-", ""
	}
	key, options, _ = strings.Cut(text, ",")
	return key, options
}

// element returns the type without a pointer or a slice around it.
func element(expr ast.Expr) (of ast.Expr, list bool) {
	switch t := expr.(type) {
	case *ast.StarExpr:
		return t.X, false
	case *ast.ArrayType:
		return t.Elt, true
	}
	return expr, false
}

func typeName(expr ast.Expr, list bool) string {
	name := ""
	switch t := expr.(type) {
	case *ast.Ident:
		name = basic[t.Name]
	case *ast.SelectorExpr:
		if x, ok := t.X.(*ast.Ident); ok {
			name = basic[x.Name+"."+t.Sel.Name]
		}
	}
	if list {
		return "list of " + name + "s"
	}
	return name
}

func (s *section) print(out *strings.Builder) {
	if s.key != "" {
		fmt.Fprintf(out, "### `%s`\n\n%s\n\n", s.key, s.prose(s.comment))
	}
	if len(s.settings) > 0 {
		out.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	}
	for _, each := range s.settings {
		meaning, otherwise := splitDefault(each)
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", each.key, each.typ, cell(s.prose(otherwise)), cell(s.prose(trimName(each.name, meaning))))
	}
	out.WriteString("\n")
	for _, below := range s.sections {
		below.print(out)
	}
}

// trimName returns a field's comment without the name that Go comments begin with.
func trimName(name, comment string) string {
	rest, ok := strings.CutPrefix(comment, name+" ")
	if !ok {
		return comment
	}
	for _, verb := range []string{"is ", "are ", "says "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

var (
	defaultSentence = regexp.MustCompile(`(?s)(?:^|\s)(?:Default(?: and maximum)?|Empty:|Zero:|Unset:|Nil:)\s+([^.;]*(?:\.\d[^.;]*)*)\.(?:\s|$)`)
	defaultInside   = regexp.MustCompile(`(?s)(?:default|Default)\s+([^.;]+)[.;]`)
	requiredAtAll   = regexp.MustCompile(`(?s)\sRequired\.`)
	requiredWith    = regexp.MustCompile(`(?s)\sRequired\s`)
)

// splitDefault takes the default out of a setting's comment.
func splitDefault(s setting) (meaning, otherwise string) {
	if requiredAtAll.MatchString(s.comment) {
		return requiredAtAll.ReplaceAllString(s.comment, ""), "required"
	}
	if m := defaultSentence.FindStringSubmatch(s.comment); m != nil {
		return strings.TrimSpace(defaultSentence.ReplaceAllString(s.comment, " ")), m[1]
	}
	if m := defaultInside.FindStringSubmatch(s.comment); m != nil {
		return s.comment, m[1]
	}
	switch {
	case requiredWith.MatchString(s.comment):
		return s.comment, "conditional"
	case s.typ == "boolean":
		return s.comment, "`false`"
	}
	return s.comment, "none"
}

var (
	goName  = regexp.MustCompile(`\b[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*\b`)
	docLink = regexp.MustCompile(`\[([A-Za-z.]+)\]`)
)

// prose returns a comment with keys in the place of the names of Go fields.
func (s *section) prose(comment string) string {
	text := docLink.ReplaceAllString(comment, "$1")
	var out strings.Builder
	end := 0
	for _, at := range goName.FindAllStringIndex(text, -1) {
		word := text[at[0]:at[1]]
		last := word[strings.LastIndex(word, ".")+1:]
		key, known := s.names[last]
		begins := at[0] == 0 || strings.HasSuffix(strings.TrimRight(text[:at[0]], " \n"), ".")
		out.WriteString(text[end:at[0]])
		mixed := strings.ToLower(last[1:]) != last[1:] // two words or more, so no word of the prose
		if known && last != strings.ToUpper(last) && (!begins || mixed) {
			out.WriteString("`" + key + "`")
		} else {
			out.WriteString(word)
		}
		end = at[1]
	}
	out.WriteString(text[end:])
	return out.String()
}
