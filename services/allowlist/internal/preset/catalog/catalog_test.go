package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
	"github.com/keyward/keyward/services/allowlist/internal/preset/catalog"
)

const root = "../../../../.."

func TestPagesOfPresetsAreUpToDate(t *testing.T) {
	t.Parallel()
	files, err := catalog.Files(root)
	if err != nil {
		t.Fatalf("Files: %v", err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s is out of date (%v); run make docs-gen", name, err)
		}
	}
	found, err := filepath.Glob(filepath.Join(root, catalog.Folder, "*.md"))
	if err != nil || len(found) != len(files)-1 { // one is of the console
		t.Errorf("%s has %d pages (%v), want %d; run make docs-gen", catalog.Folder, len(found), err, len(files)-1)
	}
}

func TestEveryPresetIsInTheIndexOnce(t *testing.T) {
	t.Parallel()
	l, c := load(t)
	index := c.Index()
	for _, p := range l.List() {
		if n := strings.Count(index, "("+p.GetId()+".md)"); n != 1 {
			t.Errorf("the index has %d links to %s, want 1", n, p.GetId())
		}
	}
	for _, line := range []string{
		"### Signatures and webhooks", "### JSON Web Encryption", "### Single values of a body", "### A key pair of each side", "### A key that both sides share",
	} {
		if !strings.Contains(index, line) {
			t.Errorf("the index has no group %q", line)
		}
	}
}

// Every preset has a sample for each direction that it configures, with programs.
func TestEveryPresetHasASampleWithPrograms(t *testing.T) {
	t.Parallel()
	l, c := load(t)
	for _, p := range l.List() {
		samples := c.Samples(p.GetId())
		if len(samples) == 0 || samples[0].Direction != "request" || p.GetEncryption().GetResponse() != nil && len(samples) != 2 {
			t.Errorf("%s has %d samples", p.GetId(), len(samples))
		}
		for _, s := range samples {
			if len(s.Programs) == 0 {
				t.Errorf("the %s of %s has no program", s.Direction, p.GetId())
			}
		}
	}
}

// A sample that the preset does not open is not shown.
func TestAWrongAnswerIsNoSample(t *testing.T) {
	t.Parallel()
	l, _ := load(t)
	answers, err := catalog.Below("../..").Answers()
	if err != nil {
		t.Fatal(err)
	}
	wrong := answers[0]
	wrong.Plaintext += " "
	if _, err := catalog.New(l, []answer.Answer{wrong}); err == nil {
		t.Error("New accepted an answer with another plaintext")
	}
}
