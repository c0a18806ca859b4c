// Command validate checks bills of materials against the JSON schema of CycloneDX 1.6:
//
//	validate SCHEMAS FILE...
//
// SCHEMAS is the folder `schema` of the module github.com/CycloneDX/cyclonedx-go.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/CycloneDX/cyclonedx-go" // pins the module that has the schemas
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const base = "http://cyclonedx.org/schema/"

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: validate SCHEMAS FILE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(schemas string, files []string) error {
	compiler := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json":  "bom-1.6.schema.json",
		"spdx.schema.json":     "spdx.schema.json",
		"jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		schema, err := read(filepath.Join(schemas, file))
		if err != nil {
			return err
		}
		if err := compiler.AddResource(base+name, schema); err != nil {
			return err
		}
	}
	schema, err := compiler.Compile(base + "bom-1.6.schema.json")
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		bill, err := read(file)
		if err == nil {
			err = schema.Validate(bill)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	return errors.Join(errs...)
}

func read(path string) (any, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return jsonschema.UnmarshalJSON(file)
}
