// Command containers checks a Dockerfile and a compose file on a machine without a container
// engine, with the parsers and the linter that engines use:
//
//	containers DOCKERFILE COMPOSEFILE
//
// It prints errors and fails if there are any. Otherwise it prints the resolved compose file as
// JSON, for further checks.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: containers DOCKERFILE COMPOSEFILE")
		os.Exit(2)
	}
	project, err := compose(context.Background(), os.Args[2])
	if err := errors.Join(dockerfile(os.Args[1]), err); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := os.Stdout.Write(project); err != nil {
		os.Exit(1)
	}
}

// dockerfile returns the errors that the parser and the linter of BuildKit report for the file.
func dockerfile(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	tree, err := parser.Parse(file)
	if err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	var findings []error
	for _, warning := range tree.Warnings {
		findings = append(findings, fmt.Errorf("%s: %s", path, warning.Short))
	}
	warn := func(rule, _, _, message string, at []parser.Range) {
		line := 0
		if len(at) > 0 {
			line = at[0].Start.Line
		}
		findings = append(findings, fmt.Errorf("%s:%d: %s: %s", path, line, rule, message))
	}
	if _, _, err := instructions.Parse(tree.AST, linter.New(&linter.Config{Warn: warn})); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	return errors.Join(findings...)
}

// compose loads the file as `docker compose config` does: by the schema, with anchors, defaults,
// and references resolved, and with all profiles enabled.
func compose(ctx context.Context, path string) ([]byte, error) {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithProfiles([]string{"*"}))
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return project.MarshalJSON()
}
