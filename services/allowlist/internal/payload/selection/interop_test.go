//go:build interop

package selection_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

// Node.js and this package read each other's forms, pair by pair.
const script = `
const values = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const written = new URLSearchParams(values.map((value) => ['k', value])).toString();
const read = values.map((value) => new URLSearchParams('&k=' + value.replaceAll('&', '')).get('k'));
process.stdout.write(JSON.stringify({ written, read }));
`

func TestInteropOfFormsWithNode(t *testing.T) {
	t.Parallel()
	// These values are UTF-8; Node.js would replace other bytes.
	const chars = "%+=&4z1 \x00\n~*é🎯"
	values := []string{""}
	for i := 0; len(values[i]) < 3; i++ { // strings of up to three bytes and one more character
		for _, c := range chars {
			values = append(values, values[i]+string(c))
		}
	}
	input, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "-e", script)
	cmd.Stdin = bytes.NewReader(input)
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var theirs struct {
		Written string
		Read    []string
	}
	if err := json.Unmarshal(output, &theirs); err != nil {
		t.Fatal(err)
	}
	d := formOf(t, selection.FormConfig{Names: []string{"k"}})
	var sealed, want bytes.Buffer
	for i, value := range values {
		if i > 0 {
			sealed.WriteByte('&')
		}
		sealed.WriteString("k=%3C" + x(value) + "%3E")
	}
	if got, err := d.decrypt(t, sealed.String()); err != nil || got != theirs.Written {
		t.Errorf("Decrypt = %s, %v, and node writes %s", got, err, theirs.Written)
	}
	var body []byte
	for i, value := range values {
		body = append(append(body, "&k="...), bytes.ReplaceAll([]byte(value), []byte("&"), nil)...)
		want.WriteString("&k=%3C")
		want.WriteString(x(theirs.Read[i]) + "%3E")
	}
	if got, err := d.encrypt(t, string(body)); err != nil || got != want.String() {
		t.Errorf("Encrypt = %s, %v, and node reads %s", got, err, want.String())
	}
}
