//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Variable is the environment variable with the path of the file.
const Variable = "KEYWARD_FAILPOINT"

// points is the state of the process.
var points = struct {
	sync.Mutex

	seen map[Point]bool
	plan string
	hits int
}{seen: make(map[Point]bool)}

// Hit ends the program if this is the hit for which a test asked.
func Hit(p Point) {
	path := os.Getenv(Variable)
	if path == "" {
		return
	}
	points.Lock()
	defer points.Unlock()
	if !points.seen[p] {
		points.seen[p] = true
		record(path, p.String())
	}
	plan, err := os.ReadFile(path)
	if err != nil || !begins(string(plan), p) {
		return
	}
	if points.plan != string(plan) {
		points.plan, points.hits = string(plan), 0
	}
	points.hits++
	words := strings.Fields(points.plan)
	if len(words) < 2 || words[1] != strconv.Itoa(points.hits) {
		return
	}
	record(path, "!"+p.String())
	if len(words) > 2 {
		if delay, err := time.ParseDuration(words[2]); err == nil {
			time.AfterFunc(delay, end)
			return
		}
	}
	end()
}

// begins reports whether a plan is about a point.
func begins(plan string, p Point) bool {
	name, _, _ := strings.Cut(plan, " ")
	return name == p.String()
}

// end ends the process as a crash does.
func end() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// record adds a line to the file of hits.
func record(path, line string) {
	file, err := os.OpenFile(path+".hits", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(line + "\n")
	_ = file.Close()
}
