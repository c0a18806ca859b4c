package boltkv_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// BenchmarkPut compares durable puts of 512 bytes by the group commit with bbolt's
// own Update and Batch, at several numbers of callers. Compare within one run:
// disks differ. Lines report puts per second.
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("group/callers=%d", callers), func(b *testing.B) {
			db := open(b, filepath.Join(b.TempDir(), "store"), boltkv.Options{})
			parallel(b, callers, func(key, value []byte) error {
				return db.Update(b.Context(), func(tx kv.Tx) error { return tx.Put(key, value) })
			})
		})
		b.Run(fmt.Sprintf("bbolt-update/callers=%d", callers), func(b *testing.B) {
			db := openBbolt(b)
			parallel(b, callers, func(key, value []byte) error {
				return db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("b")).Put(key, value) })
			})
		})
		b.Run(fmt.Sprintf("bbolt-batch/callers=%d", callers), func(b *testing.B) {
			db := openBbolt(b)
			parallel(b, callers, func(key, value []byte) error {
				return db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("b")).Put(key, value) })
			})
		})
	}
}

func openBbolt(b *testing.B) *bbolt.DB {
	b.Helper()
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bbolt"), 0o600, &bbolt.Options{
		FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, InitialMmapSize: 1 << 30,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("b"))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// parallel shares b.N puts among callers, with keys in no order.
func parallel(b *testing.B, callers int, put func(key, value []byte) error) {
	b.Helper()
	var next atomic.Uint64
	done := make(chan error, callers)
	b.ResetTimer()
	for range callers {
		go func() {
			value := make([]byte, 512)
			for {
				n := next.Add(1)
				if n > uint64(b.N) {
					done <- nil
					return
				}
				key := binary.BigEndian.AppendUint64(nil, n*0x9E3779B97F4A7C15)
				if err := put(key, value); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

const benchKeys = 100_000

// filled returns the path of a closed store with benchKeys values of 512 bytes.
func filled(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "store")
	db, err := boltkv.Open(path, boltkv.Options{})
	must(b, err)
	for first := 0; first < benchKeys; first += kv.MaxOps {
		must(b, db.Update(b.Context(), func(tx kv.Tx) error {
			for n := first; n < first+kv.MaxOps; n++ {
				if err := tx.Put(binary.BigEndian.AppendUint64(nil, uint64(n)), make([]byte, 512)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	must(b, db.Close())
	return path
}

func BenchmarkRead(b *testing.B) {
	db := open(b, filled(b), boltkv.Options{})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for n := uint64(0); pb.Next(); n++ {
				key := binary.BigEndian.AppendUint64(nil, n*7919%benchKeys)
				err := db.View(b.Context(), func(r kv.Reader) error {
					_, err := r.Get(key)
					return err
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("scan of 50", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for n := uint64(0); pb.Next(); n++ {
				from := binary.BigEndian.AppendUint64(nil, n*7919%benchKeys)
				err := db.View(b.Context(), func(r kv.Reader) error {
					for _, err := range r.Scan(kv.Range{Start: from, Limit: 50}) {
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("scan of 1000", func(b *testing.B) {
		for b.Loop() {
			must(b, db.View(b.Context(), func(r kv.Reader) error {
				for _, err := range r.Scan(kv.Range{Limit: 1000}) {
					if err != nil {
						return err
					}
				}
				return nil
			}))
		}
	})
}

// BenchmarkOpen compares opening a store with what bbolt alone takes for it.
func BenchmarkOpen(b *testing.B) {
	path := filled(b)
	b.Run("store", func(b *testing.B) {
		for b.Loop() {
			db, err := boltkv.Open(path, boltkv.Options{})
			must(b, err)
			must(b, db.Close())
		}
	})
	b.Run("bbolt", func(b *testing.B) {
		for b.Loop() {
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoFreelistSync: true})
			must(b, err)
			must(b, db.Close())
		}
	})
}
