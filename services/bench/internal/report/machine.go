package report

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// A Machine is where the benchmark ran, and when.
type Machine struct {
	Processors int       `json:"processors"`
	Model      string    `json:"model"`
	Go         string    `json:"go"`
	Load       string    `json:"load_average"`
	Time       time.Time `json:"time"`
}

// ThisMachine describes this machine. Fields that the system does not report are empty.
func ThisMachine() Machine {
	m := Machine{Processors: runtime.NumCPU(), Model: runtime.GOARCH, Go: runtime.Version(), Time: time.Now()}
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

func (m Machine) heading() string {
	return fmt.Sprintf("%s, %d processors (%s), %s, load average %s", m.Time.UTC().Format("2006-01-02 15:04 MST"), m.Processors, m.Model, m.Go, m.Load)
}
