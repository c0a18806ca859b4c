package program

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// A Usage is what a process has used since its start.
type Usage struct {
	// CPU is the time in user mode and in the kernel.
	CPU time.Duration
	// Written is the number of bytes that the process caused to be written to the disk
	// (write_bytes in /proc/PID/io), which counts a page of a file once, however often it changes
	// before it is written. It is -1 if the system does not tell.
	Written int64
	// Memory is the anonymous resident memory, in bytes, which excludes mapped files.
	Memory int64
	// Allocations is the number of objects allocated on the heap, or 0 without metrics.
	Allocations float64
}

// tick is the unit of CPU time in /proc/PID/stat, which is the same for all of Linux's
// architectures.
const tick = 10 * time.Millisecond

// Usage returns what the program has used.
func (p *Program) Usage(ctx context.Context) (Usage, error) {
	u, err := usageOf(strconv.Itoa(p.PID()))
	if err != nil || p.metrics == "" {
		return u, err
	}
	u.Allocations, err = Metric(ctx, p.metrics, "go_memstats_mallocs_total")
	return u, err
}

// allocations is the metric of the runtime that metrics endpoints call go_memstats_mallocs_total.
const allocations = "/gc/heap/allocs:objects"

// Own returns what this process has used.
func Own() (Usage, error) {
	u, err := usageOf("self")
	sample := []metrics.Sample{{Name: allocations}}
	metrics.Read(sample)
	u.Allocations = float64(sample[0].Value.Uint64())
	return u, err
}

func usageOf(pid string) (Usage, error) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return Usage{}, fmt.Errorf("read CPU time: %w", err)
	}
	cpu, err := cpuTime(string(stat))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return Usage{}, fmt.Errorf("read memory: %w", err)
	}
	u := Usage{CPU: cpu, Memory: field(status, "RssAnon:") << 10, Written: -1}
	// A program that protects its memory shows this file only to root.
	if io, err := os.ReadFile("/proc/" + pid + "/io"); err == nil {
		u.Written = field(io, "write_bytes:")
	}
	return u, nil
}

// cpuTime returns the sum of the fields utime and stime of /proc/PID/stat.
func cpuTime(stat string) (time.Duration, error) {
	// The name of the program is in parentheses and may contain spaces.
	_, rest, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	const utime, stime = 11, 12 // counted from the state, which is the first field after the name
	if len(fields) <= stime {
		return 0, fmt.Errorf("read CPU time: unexpected content of /proc/PID/stat")
	}
	var sum time.Duration
	for _, text := range []string{fields[utime], fields[stime]} {
		ticks, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// field returns the number after a name at the start of a line, or -1.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) < 2 || words[0] != name {
			continue
		}
		if n, err := strconv.ParseInt(words[1], 10, 64); err == nil {
			return n
		}
	}
	return -1
}

// Metric returns the value of a metric without labels from the metrics at an address.
func Metric(ctx context.Context, address, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(rest, 64)
		}
	}
	return 0, fmt.Errorf("read metrics: there is no %s at %s", name, address)
}
