package snippet

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/template"
	"unicode"
)

//go:embed node java python
var folders embed.FS

// languages returns the folders, in the order in which programs are shown.
func languages() []string { return []string{"node", "java", "python"} }

// schemes returns the files of a library, in the order in which a program contains their
// functions.
func schemes() []string {
	return []string{"json", "text", "digest", "derivation", "key", "cipher", "compression", "signature"}
}

// A language writes programs. Everything about it is in its folder:
//
//   - phrases.tmpl has a template for each expression and statement
//   - program.tmpl assembles a program
//   - imports lists the available imports, one per line
//   - one file for each scheme has the functions that programs call
type language struct {
	name      string
	templates *template.Template
	library   string
	imports   string
}

// newLanguage reads the folder of a language.
func newLanguage(name string) (*language, error) {
	templates, err := template.New(name).Option("missingkey=error").Funcs(functionsOfTemplates()).ParseFS(folders, name+"/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse templates of %s: %w", name, err)
	}
	l := &language{name: name, templates: templates}
	for _, scheme := range schemes() {
		files, err := fs.Glob(folders, name+"/"+scheme+".*")
		if err != nil || len(files) != 1 {
			return nil, fmt.Errorf("the library of %s has %d files for %s", name, len(files), scheme)
		}
		l.library += read(files[0]) + "\n"
	}
	l.imports = read(name + "/imports")
	return l, nil
}

// read returns an embedded file, or nothing if it does not exist.
func read(name string) string {
	text, err := folders.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(text)
}

// phrase executes a template.
func (l *language) phrase(name string, data any) (string, error) {
	var s strings.Builder
	if err := l.templates.ExecuteTemplate(&s, name, data); err != nil {
		return "", fmt.Errorf("write %s in %s: %w", name, l.name, err)
	}
	return s.String(), nil
}

// functionsOfTemplates returns the functions that templates call, in addition to those of the
// library.
func functionsOfTemplates() template.FuncMap {
	return template.FuncMap{
		"add":    func(a, b int) int { return a + b },
		"place":  place,
		"lines":  func(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") },
		"join":   func(texts []string, separator string) string { return strings.Join(texts, separator) },
		"lower":  strings.ToLower,
		"upper":  strings.ToUpper,
		"remove": func(text, part string) string { return strings.ReplaceAll(text, part, "") },
		"title":  func(name string) string { return strings.ToUpper(name[:1]) + name[1:] },
		"snake":  snake,
		"escape": escape,
		"pieces": pieces,
		"regexp": betweenSlashes,
		"indent": indent,
	}
}

// place writes a position in bytes. A negative one counts from the end.
func place(bytes string, at int) string {
	if at < 0 {
		return fmt.Sprintf("%s.length - %d", bytes, -at)
	}
	return fmt.Sprint(at)
}

// snake writes `sharedKey` as `shared_key`.
func snake(name string) string {
	var s strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			s.WriteByte('_')
		}
		s.WriteRune(unicode.ToLower(r))
	}
	return s.String()
}

// escape writes the content of a quoted string, in all languages here.
func escape(text, quote string) string {
	var s strings.Builder
	for _, r := range text {
		switch {
		case strings.ContainsRune(quote, r) || r == '\\':
			s.WriteRune('\\')
			s.WriteRune(r)
		case r == '\n':
			s.WriteString(`\n`)
		case r == '\r':
			s.WriteString(`\r`)
		case r == '\t':
			s.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&s, `\u%04x`, r)
		default:
			s.WriteRune(r)
		}
	}
	return s.String()
}

// pieces cuts a string into pieces of n characters if it has more bytes.
func pieces(text string, n int) []string {
	if len(text) <= n {
		return []string{text}
	}
	var all []string
	for piece := range slices.Chunk([]rune(text), n) {
		all = append(all, string(piece))
	}
	return all
}

// betweenSlashes writes a regular expression as a literal between slashes.
func betweenSlashes(pattern string) string {
	return strings.NewReplacer("/", `\/`, "\n", `\n`, "\r", `\r`).Replace(pattern)
}

// indent joins lines, each with a margin.
func indent(margin string, lines []string) string {
	var s strings.Builder
	for _, line := range lines {
		if line != "" {
			s.WriteString(margin + line)
		}
		s.WriteByte('\n')
	}
	return s.String()
}
