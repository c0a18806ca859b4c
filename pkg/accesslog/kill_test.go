package accesslog_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/keyward/keyward/pkg/accesslog"
)

// childVariable holds the path of the log for a process that writes until it is killed.
const childVariable = "KEYWARD_TEST_ACCESS_LOG"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(childVariable)
	if !ok {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, writeUntilKilled(path))
	os.Exit(1)
}

// child returns a process that writes records and prints each when it is acknowledged.
func child(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), childVariable+"="+path), os.Stderr
	return cmd
}

func writeUntilKilled(path string) error {
	l, err := accesslog.Open(path)
	if err != nil {
		return err
	}
	var callers sync.WaitGroup
	for c := range 16 {
		callers.Go(func() {
			for i := 0; err == nil; i++ {
				record := fmt.Sprintf(`{"caller":%d,"n":%d}`, c, i)
				if err := l.Write(context.Background(), []byte(record)); err != nil {
					return
				}
				if _, err := fmt.Fprintln(os.Stdout, record); err != nil {
					return
				}
			}
		})
	}
	callers.Wait()
	return fmt.Errorf("the parent is gone")
}

func BenchmarkWrite(b *testing.B) {
	record := make([]byte, 400)
	for i := range record {
		record[i] = 'x'
	}
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			l, _ := open(b)
			b.ReportAllocs()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := l.Write(b.Context(), record); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
