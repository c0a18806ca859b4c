package run

import (
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/keyward/keyward/services/bench/internal/report"
)

// machine describes this machine. What the system does not tell is empty.
func machine() report.Machine {
	m := report.Machine{Processors: runtime.NumCPU(), Model: runtime.GOARCH, Go: runtime.Version(), Time: time.Now()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			m.Model = strings.TrimSpace(strings.TrimLeft(line, "\t: "))
		}
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return m
}
