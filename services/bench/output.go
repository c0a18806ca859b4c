package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
)

// An output is where a report goes, in addition to standard output.
type output struct{ json, markdown string }

func (o *output) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&o.json, "json", "", "also write the report as JSON to this file")
	flags.StringVar(&o.markdown, "markdown", "", "also write the table as Markdown to this file")
}

// A document is a report in its forms.
type document interface {
	WriteText(io.Writer) error
	WriteJSON(io.Writer) error
	WriteMarkdown(io.Writer) error
	// Failed describes all errors of calls.
	Failed() []string
}

// publish writes a report. It fails if calls failed.
func (o *output) publish(d document) error {
	if err := d.WriteText(os.Stdout); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	if err := errors.Join(toFile(o.json, d.WriteJSON), toFile(o.markdown, d.WriteMarkdown)); err != nil {
		return err
	}
	var errs []error
	for _, text := range d.Failed() {
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// toFile writes a file, unless the path is empty.
func toFile(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return errors.Join(write(file), file.Close())
}
