package layout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/services/bench/internal/scatter"
)

// A Figure is the cost of changes under one layout.
type Figure struct {
	Layout string `json:"layout"`
	// Change is create or update.
	Change string `json:"change"`
	// Random is whether IDs are random; otherwise they grow.
	Random bool `json:"random"`
	// PerCommit is the number of changes in a commit.
	PerCommit int `json:"per_commit"`
	// Pages is the number of pages that a commit writes, with one meta page.
	Pages float64 `json:"pages"`
	// Bytes is the number of bytes written for each change.
	Bytes float64 `json:"bytes"`
	// Disk is the number of bytes of pages in use for each secret, before the changes.
	Disk float64 `json:"disk"`
}

// Config selects the work of [Run].
type Config struct {
	// Folder is an existing folder for the stores, which are removed.
	Folder string
	// Secrets is the number of secrets in the store before the first change.
	Secrets int
	// Changes is the minimum number of changes for each figure.
	Changes int
	// Layouts are the names of layouts, or their beginnings; empty: all.
	Layouts []string
	// Sequential also measures IDs that grow.
	Sequential bool
}

// perCommit are the numbers of changes in a commit.
var perCommit = []int{1, 16, 64}

// Run measures all layouts.
func Run(ctx context.Context, cfg Config) ([]Figure, error) {
	var all []Figure
	for _, l := range All() {
		if !cfg.selects(l) {
			continue
		}
		for _, random := range []bool{true, false} {
			if !random && !cfg.Sequential {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			figures, err := measure(cfg, l, random)
			if err != nil {
				return nil, fmt.Errorf("measure layout %s: %w", l.Name, err)
			}
			all = append(all, figures...)
		}
	}
	return all, nil
}

func (c Config) selects(l Layout) bool {
	return len(c.Layouts) == 0 || slices.ContainsFunc(c.Layouts, func(name string) bool { return strings.HasPrefix(l.Name, name) })
}

// A store is a file with secrets under one layout.
type store struct {
	db        *bbolt.DB
	layout    Layout
	random    bool
	known     []change // by number of the secret
	next      uint64   // the next sequence number of the log
	generated uint64   // the number of random strings
	// updates is the number of updates.
	updates int
}

var (
	dataBucket = []byte("data")
	logBucket  = []byte("log")
)

func measure(cfg Config, l Layout, random bool) (figures []Figure, err error) {
	path := filepath.Join(cfg.Folder, "layout.db")
	// The number of pages does not depend on the disk, so no commit waits for it.
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close(), os.Remove(path)) }()
	s := &store{db: db, layout: l, random: random}
	const fill = 256
	for len(s.known) < cfg.Secrets {
		if _, err := s.commit(min(max(fill, len(s.known)/4), cfg.Secrets-len(s.known)), s.create); err != nil {
			return nil, err
		}
	}
	disk, err := s.disk()
	if err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		name string
		make func() change
	}{{"create", s.create}, {"update", s.update}} {
		for _, n := range perCommit {
			f := Figure{Layout: l.Name, Change: kind.name, Random: random, PerCommit: n, Disk: disk}
			commits := max(cfg.Changes/n, 20)
			var written int64
			for range commits {
				bytes, err := s.commit(n, kind.make)
				if err != nil {
					return nil, err
				}
				written += bytes
			}
			f.Pages = float64(written) / float64(commits) / float64(os.Getpagesize())
			f.Bytes = float64(written) / float64(commits*n)
			figures = append(figures, f)
		}
	}
	return figures, nil
}

func (s *store) create() change {
	c := change{number: len(s.known), id: idOf(uint64(len(s.known)), s.random), uid: s.text(26), fingerprint: s.text(32), version: 1}
	s.known = append(s.known, c)
	return c
}

func (s *store) update() change {
	i := s.updates % len(s.known)
	if s.random {
		i = scatter.Index(uint64(s.updates), len(s.known))
	}
	s.updates++
	c := s.known[i]
	c.fingerprint, c.version, c.before = s.text(32), c.version+1, c.sequence
	return c
}

// commit makes n changes in one commit and returns the number of bytes that it writes.
func (s *store) commit(n int, next func() change) (bytes int64, err error) {
	first := s.next
	var changes []change
	for i := range n {
		c := next()
		c.sequence = first + uint64(i)
		changes = append(changes, c)
	}
	s.next += uint64(n)
	var tx *bbolt.Tx
	err = s.db.Update(func(t *bbolt.Tx) error {
		tx = t
		b, err := s.open(t)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if err := s.write(b, c); err != nil {
				return err
			}
		}
		return b.put(s.layout.once(first, n))
	})
	if err != nil {
		return 0, err
	}
	stats := tx.Stats()
	return stats.GetPageAlloc() + int64(os.Getpagesize()), nil
}

// buckets are the buckets of a transaction, which may be one and the same.
type buckets struct{ data, log *bbolt.Bucket }

func (s *store) open(tx *bbolt.Tx) (b buckets, err error) {
	if b.data, err = tx.CreateBucketIfNotExists(dataBucket); err != nil {
		return b, err
	}
	b.log = b.data
	if s.layout.ownLog {
		if b.log, err = tx.CreateBucketIfNotExists(logBucket); err != nil {
			return b, err
		}
		b.log.FillPercent = 1
	}
	return b, nil
}

func (b buckets) put(rows []row) error {
	for _, r := range rows {
		bucket := b.data
		if strings.HasPrefix(r.key, logSpace) {
			bucket = b.log
		}
		if err := bucket.Put([]byte(r.key), make([]byte, r.bytes)); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) write(b buckets, c change) error {
	for _, key := range s.layout.stale(c) {
		if err := b.data.Delete([]byte(key)); err != nil {
			return err
		}
	}
	s.known[c.number] = c
	return b.put(s.layout.rows(c))
}

// disk returns the bytes of pages in use for each secret.
func (s *store) disk() (perSecret float64, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			stats := b.Stats()
			perSecret += float64(stats.BranchAlloc+stats.LeafAlloc) / float64(len(s.known))
			return nil
		})
	})
	return perSecret, err
}

// text returns a string that looks random.
func (s *store) text(n int) string {
	s.generated++
	return scatter.Text(s.generated, n)
}
