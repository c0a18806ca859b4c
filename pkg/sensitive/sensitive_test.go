package sensitive_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/sensitive"
)

const canary = "canary-4711"

func TestNothingPrintsTheValue(t *testing.T) {
	t.Parallel()
	value := sensitive.New([]byte(canary))
	holder := struct {
		Value  sensitive.Bytes
		hidden sensitive.Bytes // fmt does not call methods of what it may not see
		list   []sensitive.Bytes
	}{value, value, []sensitive.Bytes{value}}

	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("test", "value", value, "holder", holder)
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{"slog": logged.String(), "json": string(text)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		outputs[verb] = fmt.Sprintf(verb, value)
		outputs["struct "+verb] = fmt.Sprintf(verb, holder)
		outputs["pointer "+verb] = fmt.Sprintf(verb, &value)
		outputs["pointer to struct "+verb] = fmt.Sprintf(verb, &holder)
	}
	for how, output := range outputs {
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%d", []byte(canary))} {
			if strings.Contains(strings.ToLower(output), strings.Trim(form, "[]")) {
				t.Errorf("%s prints the value: %s", how, output)
			}
		}
	}
}

func TestTheZeroValueIsEmpty(t *testing.T) {
	t.Parallel()
	var zero sensitive.Bytes
	zero.Zero()
	if zero.Len() != 0 || zero.Reveal() != nil {
		t.Errorf("zero value = %d bytes, want none", zero.Len())
	}
}

func TestZeroReachesEveryCopy(t *testing.T) {
	t.Parallel()
	first := sensitive.New([]byte(canary))
	second := first
	first.Zero()
	if got := second.Reveal(); !bytes.Equal(got, make([]byte, len(canary))) {
		t.Errorf("Reveal() after Zero of a copy = %q, want zeros", got)
	}
	if got := second.Len(); got != len(canary) {
		t.Errorf("Len() = %d, want %d", got, len(canary))
	}
}
