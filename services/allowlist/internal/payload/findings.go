package payload

import (
	"time"

	"github.com/keyward/keyward/pkg/fault"
)

// findings collects what is wrong with a configuration.
type findings struct {
	workspace string
	now       time.Time
	// stored turns off what depends on the time and the workspace: it was
	// checked when the configuration was saved.
	stored bool
}

func (f *findings) fault() *fault.Error { return nil }
