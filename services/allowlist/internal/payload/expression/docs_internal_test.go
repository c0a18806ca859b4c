package expression

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheDocumentationHasAllFunctions reads the page of expressions and the contract.
func TestTheDocumentationHasAllFunctions(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"../../../../../docs/expressions.md", "../../../../../proto/keyward/allowlist/v1/encryption.proto"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range functionNames() {
			if strings.HasPrefix(name, "hmac_") || strings.HasPrefix(name, "derive_hmac_") {
				continue // for each digest
			}
			if !regexp.MustCompile(`\b` + name + `\b`).Match(text) {
				t.Errorf("%s lacks the function %s", file, name)
			}
		}
	}
}

// TestTheExamplesOfTheDocumentationCompile compiles each line of a block of expressions.
func TestTheExamplesOfTheDocumentationCompile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	scope := Scope{Secret: true, Random: true, Constants: map[string]string{"client": "C1"}, Values: []string{"digest", "stamp", "token"}}
	blocks := regexp.MustCompile("(?s)```cel fragment\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("the page has no examples")
	}
	for _, block := range blocks {
		for source := range strings.Lines(block[1]) {
			if _, violation := Compile(strings.TrimSpace(source), scope); violation != "" {
				t.Errorf("%s %s", source, violation)
			}
		}
	}
}
