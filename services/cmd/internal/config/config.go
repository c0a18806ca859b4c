// Package config reads the configuration files of the programs.
//
// A file is YAML and is read strictly: an unknown name is an error, so that a misspelled setting
// cannot silently leave a default in force.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// Load reads the file into the struct that into points to. Fields that the file does not name keep
// their values.
func Load(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read configuration %s: %w", path, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("read configuration %s: the file must contain only one document", path)
	}
	return nil
}
