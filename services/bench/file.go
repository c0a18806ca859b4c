package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// toFile writes a file.
func toFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return errors.Join(write(file), file.Close())
}
