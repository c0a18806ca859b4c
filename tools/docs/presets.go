package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A preset is what the catalog shows of a preset file.
type preset struct {
	ID          string                                `json:"id"`
	DisplayName string                                `json:"displayName"`
	Description string                                `json:"description"`
	Sources     []string                              `json:"sources"`
	Encryption  map[string]map[string]json.RawMessage `json:"encryption"`
	Secrets     []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Usage       string `json:"usage"`
	} `json:"secrets"`
	Settings []struct {
		Name         string  `json:"name"`
		Description  string  `json:"description"`
		DefaultValue *string `json:"defaultValue"`
	} `json:"settings"`
}

// presets returns the catalog of the preset files in a folder.
func (g *generator) presets(folder string) (string, error) {
	files, err := filepath.Glob(filepath.Join(g.root, folder, "*.json"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errors.New("the folder has no presets")
	}
	var all []preset
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read preset: %w", err)
		}
		var p preset
		if err := json.Unmarshal(text, &p); err != nil {
			return "", fmt.Errorf("parse %s: %w", filepath.Base(file), err)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b preset) int {
		return cmp.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName))
	})
	var out strings.Builder
	fmt.Fprintf(&out, "There are %d presets.\n\n| preset | id | requests | responses |\n|---|---|---|---|\n", len(all))
	for _, p := range all {
		fmt.Fprintf(&out, "| [%s](#%s) | `%s` | %s | %s |\n", cell(p.DisplayName), p.ID, p.ID, does(p.Encryption["request"]), does(p.Encryption["response"]))
	}
	for _, p := range all {
		p.print(&out)
	}
	return out.String(), nil
}

// does says what a profile does with a message.
func does(profile map[string]json.RawMessage) string {
	if profile == nil {
		return "as requests"
	}
	var verbs []string
	for _, kind := range []string{"cipher", "cms", "jose", "pgp", "rsaDirect"} {
		if profile[kind] != nil {
			verbs = append(verbs, "encrypted")
		}
	}
	if profile["signing"] != nil || profile["nestedJws"] != nil {
		verbs = append(verbs, "signed")
	}
	if verbs == nil && profile["plain"] != nil {
		return "unchanged"
	}
	return strings.Join(verbs, ", ")
}

func (p preset) print(out *strings.Builder) {
	fmt.Fprintf(out, "\n### `%s`\n\n**%s.** %s\n\n", p.ID, p.DisplayName, strings.ReplaceAll(p.Description, "\n", " "))
	for _, secret := range p.Secrets {
		fmt.Fprintf(out, "- Secret `%s` (%s): %s\n", secret.Name, secret.Usage, secret.Description)
	}
	for _, each := range p.Settings {
		fmt.Fprintf(out, "- Setting `%s`: %s", each.Name, each.Description)
		if each.DefaultValue != nil && *each.DefaultValue != "" {
			fmt.Fprintf(out, " Default `%s`.", *each.DefaultValue)
		}
		out.WriteString("\n")
	}
	for _, source := range p.Sources {
		fmt.Fprintf(out, "- Source: <%s>\n", source)
	}
}
