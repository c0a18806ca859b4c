package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
)

// Places in the repository.
const (
	internal = "services/allowlist/internal"
	contract = "proto/keyward/allowlist/v1/encryption.proto"
	console  = "services/console/web/src/allowlist/samples.json"
	// Folder is the folder of the pages.
	Folder = "docs/presets"
)

// Files returns the files of the catalog, by path in the repository, whose root is given: the pages,
// the index, whose text around the tables stays, and the samples that the console shows.
func Files(root string) (map[string]string, error) {
	l, err := preset.New()
	if err != nil {
		return nil, err
	}
	answers, err := Below(filepath.Join(root, internal)).Answers()
	if err != nil {
		return nil, err
	}
	c, err := New(l, answers)
	if err != nil {
		return nil, err
	}
	text := Text{Encryption: make(map[string]json.RawMessage)}
	if text.Unsafe, err = unsafeChoices(filepath.Join(root, contract)); err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for _, p := range l.List() {
		var file struct{ Encryption json.RawMessage }
		if err := readJSON(filepath.Join(root, internal, "preset/presets", p.GetId()+".json"), &file); err != nil {
			return nil, err
		}
		text.Encryption[p.GetId()] = file.Encryption
		page, err := c.Page(p, text)
		if err != nil {
			return nil, err
		}
		files[Folder+"/"+p.GetId()+".md"] = page
	}
	if files[console], err = c.consoleSamples(); err != nil {
		return nil, err
	}
	index := Folder + "/README.md"
	around, err := os.ReadFile(filepath.Join(root, index))
	if err != nil {
		return nil, err
	}
	files[index], err = between(string(around), c.Index())
	return files, err
}

// consoleSamples returns the samples without their keys, as JSON.
func (c *Catalog) consoleSamples() (string, error) {
	type shown struct {
		Direction string            `json:"direction"`
		Tool      string            `json:"tool"`
		Plaintext string            `json:"plaintext"`
		Headers   map[string]string `json:"headers,omitempty"`
		Query     map[string]string `json:"query,omitempty"`
		Body      string            `json:"body"`
	}
	all := make(map[string][]shown, len(c.samples))
	for id, samples := range c.samples {
		for _, s := range samples {
			all[id] = append(all[id], shown{s.Direction, s.Tool, s.Plaintext, s.Headers, s.Query, s.Body})
		}
	}
	text, err := json.MarshalIndent(all, "", " ")
	return string(text) + "\n", err
}

var tables = regexp.MustCompile(`(?s)(<!-- begin generated: presets -->\n).*(<!-- end generated -->)`)

// between returns a page with its generated part replaced.
func between(page, part string) (string, error) {
	at := tables.FindStringSubmatchIndex(page)
	if at == nil {
		return "", errors.New("the index has no generated part")
	}
	return page[:at[3]] + "\n" + strings.TrimSpace(part) + "\n\n" + page[at[4]:], nil
}

var flagLine = regexp.MustCompile(`(?m)((?:^    //.*\n)+)^    (FLAG_\w+) = \d+`)

// unsafeChoices returns the comments of the contract on unsafe choices.
func unsafeChoices(path string) (map[allowlistv1.LegacyAcknowledgement_Flag]string, error) {
	proto, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found := make(map[allowlistv1.LegacyAcknowledgement_Flag]string)
	for _, m := range flagLine.FindAllStringSubmatch(string(proto), -1) {
		comment := strings.Join(strings.Fields(strings.ReplaceAll(m[1], "//", "")), " ")
		found[allowlistv1.LegacyAcknowledgement_Flag(allowlistv1.LegacyAcknowledgement_Flag_value[m[2]])] = comment
	}
	if len(found) != len(allowlistv1.LegacyAcknowledgement_Flag_name) {
		return nil, fmt.Errorf("the contract explains %d unsafe choices, want %d", len(found), len(allowlistv1.LegacyAcknowledgement_Flag_name))
	}
	return found, nil
}
