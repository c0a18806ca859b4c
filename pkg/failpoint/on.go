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

// variable is the environment variable with the path of the file.
const variable = "KEYWARD_FAILPOINT"

// points is the state of the process.
var points = struct {
	sync.Mutex

	seen map[Point]bool
	plan string
	hits int
}{seen: make(map[Point]bool)}

// Hit ends the program if this is the hit for which a test asked.
func Hit(p Point) {
	path := os.Getenv(variable)
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
	words := strings.Fields(string(plan))
	if err != nil || len(words) < 2 || words[0] != p.String() {
		return
	}
	if points.plan != string(plan) {
		points.plan, points.hits = string(plan), 0
	}
	points.hits++
	if words[1] != strconv.Itoa(points.hits) {
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
