package vaulttest

import (
	"context"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A Reporter has a change log, as a resolver does, and reports its heads.
type Reporter struct {
	seed  [32]byte
	log   *changelog.Log
	store kv.Store
}

// NewReporter returns a reporter with an empty log. Reporters of the same seed have the same key,
// and different entries.
func NewReporter(t testing.TB, seed byte) *Reporter {
	t.Helper()
	log, err := changelog.New([][32]byte{{seed}}, "allowlist", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store, err := boltkv.Open(t.TempDir()+"/log.db", boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	store.Attach(changelog.Name, log)
	return &Reporter{[32]byte{seed}, log, store}
}

// Grow appends entries.
func (r *Reporter) Grow(t testing.TB, entries int) {
	t.Helper()
	for range entries {
		err := r.store.Update(t.Context(), func(tx kv.Tx) error {
			return r.log.Append(tx, changelog.Entry{Action: "grown", Scope: Workspace, Resource: "r"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Succeed replaces the key of the log by that of another seed, appends an entry, and forgets the old key.
func (r *Reporter) Succeed(t testing.TB, seed byte) {
	t.Helper()
	err := r.store.Update(t.Context(), func(tx kv.Tx) error { return r.log.Succeed(tx, [32]byte{seed}) })
	if err == nil {
		err = r.log.Use([][32]byte{{seed}, r.seed})
	}
	if err != nil {
		t.Fatal(err)
	}
	r.seed = [32]byte{seed}
	r.Grow(t, 1)
	if err := r.log.Use([][32]byte{r.seed}); err != nil {
		t.Fatal(err)
	}
}

// Report reports the head as the caller, with a proof from oldSize, or without one if the log is
// shorter.
func (r *Reporter) Report(ctx context.Context, t testing.TB, caller Client, oldSize uint64) (*vaultv1.WitnessCheckpointResponse, error) {
	t.Helper()
	return caller.WitnessCheckpoint(ctx, r.request(ctx, t, oldSize))
}

// Lose reports the head with one of the vault's log that is lost, and its successions.
func (r *Reporter) Lose(ctx context.Context, t testing.TB, caller Client, lost string, successions ...string) error {
	t.Helper()
	req := r.request(ctx, t, 0)
	req.LostCheckpoint, req.LostSuccessions = lost, successions
	_, err := caller.WitnessCheckpoint(ctx, req)
	return err
}

func (r *Reporter) request(ctx context.Context, t testing.TB, oldSize uint64) *vaultv1.WitnessCheckpointRequest {
	t.Helper()
	req := &vaultv1.WitnessCheckpointRequest{Parent: Everywhere, OldSize: oldSize}
	err := r.store.View(ctx, func(reader kv.Reader) error {
		head, err := r.log.Head(reader)
		if err != nil {
			return err
		}
		var proof tlog.TreeProof
		if oldSize <= head.Size {
			if proof, err = changelog.Prove(reader, oldSize, head.Size); err != nil {
				return err
			}
		}
		for _, hash := range proof {
			req.Hashes = append(req.Hashes, hash[:])
		}
		claim, err := r.log.Checkpoint(reader)
		req.Checkpoint, req.VerifierKey, req.Successions = claim.Checkpoint, claim.Key, claim.Successions
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return req
}
