package witness

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// ErrOtherRun is the error of an answer of a vault that has restarted since.
var ErrOtherRun = errors.New("the vault restarted after it had answered")

// verify verifies the vault's head and reports the own one. A wanted run must be that of the head.
// The caller has the turn.
func (w *Witness) verify(ctx context.Context, wanted string) error {
	head, err := w.vault.GetCheckpoint(ctx, &vaultv1.GetCheckpointRequest{Parent: resource.Everywhere})
	if err != nil {
		return w.unverified(ctx, wanted, err)
	}
	w.unsupported = false
	w.successions = head.GetSuccessions() // a vault of an earlier release returns none
	claim := w.claim(changelog.SignedHead{Key: head.GetVerifierKey(), Checkpoint: head.GetCheckpoint()})
	if err := w.judge(ctx, claim); err != nil {
		return err
	}
	now := run{
		id:    cmp.Or(head.GetRun(), head.GetEpoch()), // the epochs of a vault without runs are runs
		epoch: head.GetEpoch(), pending: head.GetRestorePending(), size: w.verified.Size(),
	}
	if !w.current(now.id) {
		w.reported, w.size = "", 0 // another data file may lack the own head
	}
	if err := w.report(ctx); err != nil {
		return err
	}
	w.enter(now)
	if wanted != "" && wanted != now.id {
		return fault.New(fault.Unavailable, fault.Unreachable, "the vault restarted; try again").Because(ErrOtherRun)
	}
	return nil
}

// judge compares a head with the last verified one, and stores the result.
func (w *Witness) judge(ctx context.Context, claim changelog.Claim) error {
	seen, err := w.seen(ctx)
	if err != nil {
		return err
	}
	if seen.Refused != nil || seen.Verified != claim.SignedHead || !w.kept.Admits(claim) {
		proof, err := w.prove(ctx, seen, claim)
		if err != nil {
			return err
		}
		before := seen.Verified
		err = w.kv.Update(ctx, func(tx kv.Tx) error {
			seen, err = w.kept.Extend(tx, claim, proof)
			return err
		})
		if err != nil {
			return fmt.Errorf("keep head of the vault: %w", err)
		}
		w.logKey(ctx, before, seen)
	}
	w.show(ctx, seen)
	return w.Refusal()
}

// logKey logs that the witness relies on another key than before.
func (w *Witness) logKey(ctx context.Context, before changelog.SignedHead, seen changelog.Seen) {
	switch key := seen.Verified.Key; {
	case seen.Refused != nil || key == before.Key || key == w.pin:
	case before.Key != "" || w.pin != "":
		w.logger.WarnContext(ctx, "the key of the vault's change log was replaced, and the key before signed the new one; set vault.log_key to the new one, which GetCheckpoint of the vault returns")
	default:
		w.logger.WarnContext(ctx, "the allowlist keeps the key of the vault's change log that it saw first; compare it with the output of `vault log-key`, and set vault.log_key")
	}
}

// prove asks for the proof between the verified head and a claimed one. It returns no proof if the
// vault's log is too short for it, or if none is needed.
func (w *Witness) prove(ctx context.Context, seen changelog.Seen, claim changelog.Claim) (tlog.TreeProof, error) {
	head, err := changelog.OpenCheckpoint(claim.Checkpoint, claim.Key)
	if err != nil {
		return nil, nil //nolint:nilerr // refused without a proof
	}
	from, to := min(seen.Size(), head.Size), max(seen.Size(), head.Size)
	if from == 0 || from == to {
		return nil, nil
	}
	res, err := w.vault.ProveConsistency(ctx, &vaultv1.ProveConsistencyRequest{Parent: resource.Everywhere, FromSize: from, ToSize: to})
	switch {
	case client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_LOG_TOO_SHORT):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	return hashes(res.GetHashes()), nil
}

// hashes returns nothing if a hash is malformed, which proves nothing either.
func hashes(raw [][]byte) tlog.TreeProof {
	proof := make(tlog.TreeProof, len(raw))
	for i, hash := range raw {
		if len(hash) != tlog.HashSize {
			return nil
		}
		proof[i] = tlog.Hash(hash)
	}
	return proof
}

// unverified handles a vault that returned no head. A vault of an early release has none, and a
// policy may grant the role resolver only in some workspaces. Both are accepted until a head was
// verified once.
func (w *Witness) unverified(ctx context.Context, wanted string, err error) error {
	unable := client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_METHOD_NOT_ALLOWED) ||
		client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	if !unable || w.verified != (changelog.SignedHead{}) || w.pin != "" {
		return fmt.Errorf("get head of the vault: %w", err)
	}
	if !w.unsupported {
		w.unsupported = true
		w.logger.WarnContext(ctx, "the vault returns no head of its change log, so a rollback of its data file is not noticed: it needs the current release, and its policy must grant this allowlist the role resolver in all workspaces")
	}
	if wanted != "" {
		w.enter(run{id: wanted})
	}
	return nil
}

// report reports the own head, unless the vault has it. The proof starts at the size that the vault
// has. If the own log is shorter, there is no proof, and the vault refuses the head.
func (w *Witness) report(ctx context.Context) error {
	if w.unsupported {
		return nil
	}
	for {
		req, err := w.ownHead(ctx)
		if err != nil {
			return err
		}
		if req.GetCheckpoint() == w.reported {
			return nil
		}
		res, err := w.vault.WitnessCheckpoint(ctx, req)
		if err != nil {
			return w.unreported(ctx, err)
		}
		if w.told(req, res) {
			return nil
		}
	}
}

// told records the answer to a report of the own head, and returns whether the vault has that head now.
func (w *Witness) told(req *vaultv1.WitnessCheckpointRequest, res *vaultv1.WitnessCheckpointResponse) bool {
	w.mismatched = false
	w.size = res.GetSize()
	if res.GetWitnessed() {
		w.reported = req.GetCheckpoint()
		w.sizes.WithLabelValues(ownLog).Set(float64(w.size))
	}
	return res.GetWitnessed()
}

// ownHead returns the report of the own head.
func (w *Witness) ownHead(ctx context.Context) (*vaultv1.WitnessCheckpointRequest, error) {
	req := &vaultv1.WitnessCheckpointRequest{Parent: resource.Everywhere, OldSize: w.size}
	err := w.kv.View(ctx, func(r kv.Reader) error {
		size, err := changelog.Size(r)
		if err != nil {
			return err
		}
		own, err := w.log.Checkpoint(r)
		if req.Checkpoint, req.VerifierKey, req.Successions = own.Checkpoint, own.Key, own.Successions; err != nil || w.size > size {
			return err
		}
		proof, err := changelog.Prove(r, w.size, size)
		req.Hashes = make([][]byte, len(proof))
		for i := range proof {
			req.Hashes[i] = proof[i][:]
		}
		return err
	})
	return req, err
}

func (w *Witness) unreported(ctx context.Context, err error) error {
	if client.HasReason(err, vaultv1.ErrorReason_ERROR_REASON_WITNESS_MISMATCH) && !w.mismatched {
		w.mismatched = true
		w.logger.ErrorContext(ctx, "the vault refuses this allowlist: its change log does not extend the last head that the vault saw, so its data file was rolled back or replaced; a super admin must confirm a restore at the vault")
	}
	return fmt.Errorf("report head: %w", err)
}
