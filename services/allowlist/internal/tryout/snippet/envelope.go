package snippet

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// envelope writes the code that finds the values of the holes in the source and in the headers.
func (p *program) envelope(source string) error {
	e, before := p.Profile.Envelope, len(*p.lines)
	p.say("The values in the envelope.")
	said := len(*p.lines)
	defer func() {
		if len(*p.lines) == said {
			*p.lines = (*p.lines)[:before] // the source is the only hole
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		p.template(e.Headers[name], p.header(name))
	}
	if e.JSON {
		return p.document(e.Body, source)
	}
	if text := string(p.Body); p.wholeText() && !p.unencoded() && strings.TrimSpace(text) != text {
		source = p.phrase("trim", source)
	}
	p.template(e.Body, source)
	return nil
}

// document writes the code that finds the values of the holes in the strings of a JSON document.
func (p *program) document(template, source string) error {
	if strings.Contains(template, `\u0024`) {
		return errBeyond // a brace after it would be read as a hole
	}
	d := json.NewDecoder(strings.NewReader(template))
	d.UseNumber()
	return p.node(d, source, nil)
}

// node processes the next value of a template.
func (p *program) node(d *json.Decoder, source string, path []string) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	switch token := token.(type) {
	case string:
		if len(path) > 0 {
			p.template(token, p.inDocument("pick", source, path))
		} else {
			p.template(token, p.call("unquoted", source))
		}
		return nil
	case json.Delim:
		for i := 0; d.More(); i++ {
			step := fmt.Sprint(i)
			if token == '{' {
				name, err := d.Token()
				if err != nil {
					return fmt.Errorf("read template: %w", err)
				}
				step = fmt.Sprint(name)
			}
			if err := p.node(d, source, append(slices.Clone(path), step)); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return nil
}

// template writes the code that finds the values of the holes of a template in a text.
func (p *program) template(template, text string) {
	literals, names := split(template)
	switch {
	case len(names) == 0:
		return
	case len(names) == 1 && literals[0] == "" && literals[1] == "":
		switch name := names[0]; {
		case name == "*" || !p.needed(name):
		case !strings.ContainsAny(text, "(["):
			p.texts[name] = text // already a variable
		default:
			p.texts[name] = p.letText(camel(name)+"Text", text)
		}
		return
	}
	var pattern strings.Builder
	var found, variables []string
	pattern.WriteString("^" + regexp.QuoteMeta(literals[0]))
	for i, name := range names {
		group := ".*?"
		if n := p.textLen(name); n >= 0 {
			group = fmt.Sprintf(".{%d}", n)
		}
		if name == "*" || !p.needed(name) {
			pattern.WriteString(group)
		} else {
			pattern.WriteString("(" + group + ")")
			found, variables = append(found, name), append(variables, camel(name)+"Text")
		}
		pattern.WriteString(regexp.QuoteMeta(literals[i+1]))
	}
	pattern.WriteString("$")
	p.find(found, variables, pattern.String(), text)
}

// find writes the code that finds the values of holes, if there are any, with a regular
// expression.
func (p *program) find(holes, variables []string, pattern, text string) {
	if len(holes) == 0 {
		return
	}
	for i, name := range p.match(variables, pattern, text) {
		p.texts[holes[i]] = name
	}
}

// split splits a template at its placeholders. There is one more literal than names.
func split(template string) (literals, names []string) {
	for {
		literal, rest, found := strings.Cut(template, "${")
		literals = append(literals, literal)
		if !found {
			return literals, names
		}
		name, rest, _ := strings.Cut(rest, "}")
		names = append(names, name)
		template = rest
	}
}

// camel returns the camel-case name of a hole, which steps use: `session_key` becomes
// sessionKey.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words {
		if i > 0 && word != "" {
			words[i] = string(unicode.ToUpper(rune(word[0]))) + word[1:]
		}
	}
	return strings.Join(words, "")
}
