package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// repository is the root of the tree, relative to this package.
const repository = "../.."

// A page is a Markdown file that people read.
type page struct {
	name string // relative to the root, such as docs/install.md
	text string
}

// readPages returns README.md, deploy/README.md, and all pages of docs/.
func readPages(t testing.TB) []page {
	t.Helper()
	names := []string{"README.md", "deploy/README.md"}
	err := filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".md") {
			var name string
			name, err = filepath.Rel(repository, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	check(t, err)
	pages := make([]page, 0, len(names))
	for _, name := range names {
		pages = append(pages, readPage(t, name))
	}
	return pages
}

func readPage(t testing.TB, name string) page {
	t.Helper()
	return page{name: name, text: readFile(t, filepath.Join(repository, name))}
}

// A setting describes where the commands of a page run. A page with commands names its setting in
// a comment, such as `<!-- commands: standalone, after README.md -->`.
type setting struct {
	kind  string // standalone, machine, or shell
	after string // the page whose commands run before, if any
}

var settingComment = regexp.MustCompile(`(?m)^<!-- commands: (standalone|machine|shell)(?:, after (\S+))? -->$`)

func (p page) setting() (setting, bool) {
	m := settingComment.FindStringSubmatch(p.text)
	if m == nil {
		return setting{}, false
	}
	return setting{kind: m[1], after: m[2]}, true
}

// A block is a fenced block of a page. Its language is followed by `fragment` for an excerpt that
// does not run by itself, by `figure` for a drawing, or by `run-by=TestName` for a block that a
// separate test runs.
type block struct {
	line     int
	language string
	note     string
	text     string
	indented bool
	follows  bool // a block of commands, without prose between the two
}

var fence = regexp.MustCompile("^( *)```(.*)$")

func (p page) blocks() []block {
	var blocks []block
	var lines []string
	var open *block
	follows := false
	for i, line := range strings.Split(p.text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			language, note, _ := strings.Cut(m[2], " ")
			open, lines = &block{line: i + 1, language: language, note: note, indented: m[1] != "", follows: follows}, nil
		case m != nil:
			open.text = strings.Join(lines, "\n")
			blocks = append(blocks, *open)
			follows = open.language == "sh" && open.note == ""
			open = nil
		case open != nil:
			lines = append(lines, line)
		case strings.TrimSpace(line) != "" && !strings.HasSuffix(line, ":"):
			follows = false // prose between commands and a block that does not belong to them
		}
	}
	return blocks
}

// An example is a block of commands, with the following block of output, if there is one.
type example struct {
	line     int
	commands string
	output   string
}

func (p page) examples() []example {
	var examples []example
	for _, b := range p.blocks() {
		switch {
		case b.language == "sh" && b.note == "":
			examples = append(examples, example{line: b.line, commands: b.text})
		case b.language == "text" && b.note == "" && b.follows:
			examples[len(examples)-1].output = b.text
		}
	}
	return examples
}

// TestBlocksOfPagesRunOrAreMarked checks the convention that [block] describes: commands run in
// `make readme`, data parses, and other blocks are marked as not tested.
func TestBlocksOfPagesRunOrAreMarked(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	for _, p := range readPages(t) {
		runs := false
		for _, b := range p.blocks() {
			fail := func(problem string) { t.Errorf("%s:%d: %s", p.name, b.line, problem) }
			runBy, ownTest := strings.CutPrefix(b.note, "run-by=")
			switch {
			case ownTest && !tests[runBy]:
				fail("there is no test " + runBy)
			case ownTest || b.note == "fragment" || b.note == "figure" && b.language == "text":
			case b.note != "":
				fail("unknown note " + b.note)
			case b.indented:
				fail("a block with an indent does not run; move it to the margin or mark it")
			case b.language == "sh":
				runs = true
			case b.language == "text" && !b.follows:
				fail("no block of commands prints this; mark it as a figure or a fragment")
			case b.language == "text":
			case b.language == "json" && !json.Valid([]byte(b.text)):
				fail("this is not JSON")
			case b.language == "yaml" && yaml.Unmarshal([]byte(b.text), new(any)) != nil:
				fail("this is not YAML")
			case b.language != "json" && b.language != "yaml":
				fail("a block in " + b.language + " is not tested; mark it as a fragment")
			}
		}
		where, declared := p.setting()
		if runs != declared {
			t.Errorf("%s: has commands: %v, has a setting: %v", p.name, runs, declared)
		}
		if where.after != "" && len(readPage(t, where.after).examples()) == 0 {
			t.Errorf("%s: no commands of %s run before", p.name, where.after)
		}
	}
}

// TestLinksBetweenPagesLeadSomewhere checks that the files, headings, and declarations that pages
// link to exist. If the text of a link is the name of a function or type, such as
// [`Store.Create`](create.go), the file must declare that name.
func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\[([^\]\n]*)\]\(([^)#: ]*)(#[^) ]*)?\)`)
	identifier := regexp.MustCompile("^`([A-Za-z_]+(?:\\.[A-Za-z_]+)?)`$")
	for _, p := range readPages(t) {
		for _, to := range link.FindAllStringSubmatch(p.text, -1) {
			target := p.name
			if to[2] != "" {
				target = filepath.Join(filepath.Dir(p.name), to[2])
			}
			info, err := os.Stat(filepath.Join(repository, target))
			if err != nil {
				t.Errorf("%s links to %s, which does not exist", p.name, target)
				continue
			}
			if to[3] != "" && !slices.Contains(readPage(t, target).anchors(), to[3][1:]) {
				t.Errorf("%s links to %s, which has no heading %s", p.name, target, to[3])
			}
			name := identifier.FindStringSubmatch(to[1])
			if name != nil && !info.IsDir() && name[1] != filepath.Base(target) && !declares(readFile(t, filepath.Join(repository, target)), filepath.Ext(target), name[1]) {
				t.Errorf("%s links to %s in %s, which does not declare it", p.name, name[1], target)
			}
		}
	}
}

// anchors returns the IDs of a page's headings.
func (p page) anchors() []string {
	var anchors []string
	drop := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(p.text, -1) {
		anchors = append(anchors, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(heading[1]), ""), " ", "-"))
	}
	return anchors
}

// declares reports whether a source file declares a function, method, type, message, or constant.
// Files of other kinds must mention it.
func declares(text, extension, name string) bool {
	receiver, method, isMethod := strings.Cut(name, ".")
	pattern := `\b` + regexp.QuoteMeta(name) + `\b`
	switch {
	case extension == ".go" && isMethod:
		pattern = `(?m)^func \((?:\w+ )?\*?` + receiver + `(?:\[.*\])?\) ` + method + `\(`
	case extension == ".go":
		pattern = `(?m)^(?:func |type |\t|var |const )` + name + `\b`
	case extension == ".proto":
		pattern = `(?m)^\s*(?:service|message|enum|rpc) ` + name + `\b`
	case extension == ".ts" || extension == ".tsx":
		pattern = `(?m)\b(?:function|const|class|async) ` + name + `\b`
	}
	return regexp.MustCompile(pattern).MatchString(text)
}

// TestReferencePagesAreUpToDate runs the generator of the reference pages, which compares them with
// the configuration structs and the preset files.
func TestReferencePagesAreUpToDate(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "-C", filepath.Join(repository, "tools", "docs"), "run", ".", "-check", "../..")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEachAlertHasARunbook checks that each alert has a heading in docs/operations.md, and that
// each runbook has an alert.
func TestEachAlertHasARunbook(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert string `yaml:"alert"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	check(t, yaml.Unmarshal([]byte(readFile(t, filepath.Join(repository, "deploy/prometheus/rules.yaml"))), &rules))
	alerts := make(map[string]bool)
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" {
				alerts[rule.Alert] = true
			}
		}
	}
	if len(alerts) < 10 {
		t.Fatalf("rules.yaml has %d alerts, want at least 10", len(alerts))
	}
	runbooks := make(map[string]bool)
	page := readPage(t, "docs/operations.md")
	for _, heading := range regexp.MustCompile(`(?m)^### (Keyward\w+)$`).FindAllStringSubmatch(page.text, -1) {
		runbooks[heading[1]] = true
		if !alerts[heading[1]] {
			t.Errorf("%s has a runbook for %s, which is not an alert", page.name, heading[1])
		}
	}
	for alert := range alerts {
		if !runbooks[alert] {
			t.Errorf("%s has no runbook for the alert %s", page.name, alert)
		}
	}
}
