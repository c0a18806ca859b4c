//go:build interop

package tryout_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
	"github.com/keyward/keyward/services/e2e/partnertest"
)

// A printing is a program with its expected output.
type printing struct {
	name, code string
	want       []byte
}

// TestInteropProgramsOfPresetsOpenTheirMessages needs node, and python3 with the package
// cryptography; with a JDK, Java too.
func TestInteropProgramsOfPresetsOpenTheirMessages(t *testing.T) {
	t.Parallel()
	programs := make(map[string][]printing)
	for _, preset := range presets(t) {
		for _, direction := range []payload.Direction{payload.Request, payload.Response} {
			name := fmt.Sprintf("%s %d", preset.GetId(), direction)
			sample := sampleOf(t, preset.GetEncryption(), direction)
			result, err := tryout.DryRun(sample)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !result.Opened {
				t.Errorf("%s: our own decryption does not restore the sample", name)
			}
			profile := preset.GetEncryption().GetRequest()
			if direction == payload.Response {
				profile = preset.GetEncryption().GetResponse()
			}
			// No program assembles expressions or claims.
			signing := profile.GetSigning()
			without := preset.GetId() == "openpgp" || signing.GetInputExpression() != "" || len(signing.GetClaims()) > 0
			if without != (len(result.Programs) == 0) {
				t.Errorf("%s has %d programs, want none: %v", name, len(result.Programs), without)
			}
			for _, p := range result.Programs {
				programs[p.Language] = append(programs[p.Language], printing{name, p.Code, sample.Body})
			}
		}
	}
	for name, sample := range awkward(t) {
		for _, p := range throwaway(t, sample).Programs {
			programs[p.Language] = append(programs[p.Language], printing{name, p.Code, sample.Body})
		}
	}
	judge(t, programs["node"], partnertest.RunNode(t, sourcesOf(programs["node"])))
	judge(t, programs["python"], partnertest.RunPython(t, sourcesOf(programs["python"])))
	if _, err := exec.LookPath("javac"); err != nil {
		t.Log("no JDK found: skipping the programs in Java")
		return
	}
	judge(t, programs["java"], partnertest.RunJava(t, sourcesOf(programs["java"])))
}

// awkward are samples that a program must handle correctly despite their unusual content.
func awkward(t *testing.T) map[string]tryout.Sample {
	t.Helper()
	data := ` blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } encoding: ENCODING_%s } }`
	base64, raw, lines := fmt.Sprintf(data, "BASE64"), fmt.Sprintf(data, "RAW"), fmt.Sprintf(data, "BASE64_MIME")
	long := strings.Repeat("0123456789 é\n", 20)
	return map[string]tryout.Sample{
		"a template of quotes":    sampleFor(t, shared+`envelope { `+base64+` text: "'\"\\ /*x*/ // $`+"`"+`\n<${data}>\u00e9" }`, "a text"),
		"members of quotes":       sampleFor(t, shared+`envelope { `+base64+` json: "{\"a\\\"'\\\\b\":[{\"\\u00e9\":\"<${data}>\"},null,\"${*}\"]}" }`, "a text"),
		"bytes":                   sampleFor(t, shared+`envelope { `+raw+` text: "${data}" }`, "a text"),
		"nothing":                 sampleFor(t, shared, ""),
		"paths of quotes":         sampleFor(t, shared+`selection { fields { paths: "$['it\\'s \"a\" \\\\']" } }`, `{"it's \"a\" \\": [1.10, 12345678901234567890]}`),
		"an object in a document": sampleFor(t, shared+`selection { object { path: "$.a[1]" } } envelope { `+base64+` json: "{\"x\":\"${data}\"}" }`, `{"a": [1, {"n": 1.10}, 2] , "b":"]}"}`),
		"lines":                   sampleFor(t, shared+`envelope { `+lines+` text: "<${data}>" }`, long),
		"lines in a document":     sampleFor(t, shared+`envelope { `+lines+` json: "{\"x\":\"${data}\"}" }`, long),
		"lines in lines":          sampleFor(t, shared+`envelope { `+lines+` text: "${data}" encoding: ENCODING_BASE64_MIME }`, long),
		"lines in fields":         sampleFor(t, shared+`selection { fields { paths: "$.a" } } envelope { `+lines+` text: "${data}" }`, `{"a":"`+strings.Repeat("x", 100)+`"}`),
		"a large body":            sampleFor(t, shared, strings.Repeat("0123456789 é\n", 4000)),
	}
}

// judge checks the output of the programs.
func judge(t *testing.T, programs []printing, printed [][]byte) {
	t.Helper()
	if len(printed) != len(programs)+1 || len(programs) < 50 {
		t.Fatalf("%d programs printed %d plaintexts, and this:\n%s", len(programs), len(printed)-1, printed[len(printed)-1])
	}
	for i, p := range programs {
		if !sameDocument(p.want, printed[i]) {
			t.Errorf("%s prints %q, want %q\n%s", p.name, printed[i], p.want, p.code)
		}
	}
}

func sourcesOf(programs []printing) []string {
	all := make([]string, len(programs))
	for i, p := range programs {
		all[i] = p.code
	}
	return all
}
