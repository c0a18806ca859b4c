package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/kv"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// maxLost is the maximum number of lost heads that wait for the vault, which keeps as many.
const maxLost = 10

// lostKey is the key of the lost heads that the vault does not know yet.
func lostKey() kv.Key { return kv.NewKey("lost-heads") }

// readLost returns the lost heads of the store.
func (w *Witness) readLost(ctx context.Context) (lost []*stored.LostHead, err error) {
	err = w.kv.View(ctx, func(r kv.Reader) error {
		lost, err = lostIn(r)
		return err
	})
	return lost, err
}

func lostIn(r kv.Reader) ([]*stored.LostHead, error) {
	value, err := r.Get(lostKey())
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read lost heads: %w", err)
	}
	var record stored.LostHeads
	if err := proto.Unmarshal(value, &record); err != nil {
		return nil, fmt.Errorf("decode lost heads: %w", err)
	}
	var lost []*stored.LostHead
	for _, checkpoint := range record.GetCheckpoints() {
		lost = append(lost, &stored.LostHead{Checkpoint: checkpoint})
	}
	return append(lost, record.GetHeads()...), nil
}

func writeLost(tx kv.Tx, lost []*stored.LostHead) error {
	if len(lost) == 0 {
		return tx.Delete(lostKey())
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(&stored.LostHeads{Heads: lost})
	if err != nil {
		return fmt.Errorf("encode lost heads: %w", err)
	}
	if err := tx.Put(lostKey(), value); err != nil {
		return fmt.Errorf("write lost heads: %w", err)
	}
	return nil
}

// addLost adds a head, unless it is empty, and returns all.
func addLost(tx kv.Tx, head *stored.LostHead) ([]*stored.LostHead, error) {
	lost, err := lostIn(tx)
	if err != nil || head.GetCheckpoint() == "" || slices.ContainsFunc(lost, func(other *stored.LostHead) bool { return same(other, head) }) {
		return lost, err
	}
	lost = append(lost, head)
	lost = lost[max(0, len(lost)-maxLost):]
	return lost, writeLost(tx, lost)
}

// same reports whether two lost heads are one.
func same(a, b *stored.LostHead) bool { return a.GetCheckpoint() == b.GetCheckpoint() }

// reportLost reports the lost heads to the vault, and then verifies its head, which states the epoch
// that it began.
func (w *Witness) reportLost(ctx context.Context) error {
	if len(w.lost) == 0 || w.unsupported {
		return nil
	}
	for len(w.lost) > 0 {
		if err := w.reportOneLost(ctx, w.lost[0]); err != nil {
			if !w.untold {
				w.untold = true
				w.logger.WarnContext(ctx, "the vault could not be informed that it was restored; the allowlist will try again", slog.Any("error", err))
			}
			return err
		}
	}
	w.untold = false
	return w.verify(ctx, "")
}

func (w *Witness) reportOneLost(ctx context.Context, head *stored.LostHead) error {
	req, err := w.ownHead(ctx)
	if err != nil {
		return err
	}
	req.LostCheckpoint, req.LostSuccessions = head.GetCheckpoint(), head.GetSuccessions()
	res, err := w.vault.WitnessCheckpoint(ctx, req)
	switch {
	case client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD):
		// It was another vault, or its backup is older than all successions that the witness kept.
		w.logger.WarnContext(ctx, "the vault does not know the key of the head that it lacks, so it holds no changes while its bindings are restored")
	case err != nil:
		return fmt.Errorf("report lost head: %w", err)
	case !w.told(req, res):
		return errors.New("report lost head: the vault needs another proof of the own head")
	}
	err = w.kv.Update(ctx, func(tx kv.Tx) error {
		lost, err := lostIn(tx)
		if err != nil {
			return err
		}
		return writeLost(tx, slices.DeleteFunc(lost, func(other *stored.LostHead) bool { return same(other, head) }))
	})
	if err != nil {
		return err
	}
	w.lost = w.lost[1:]
	return nil
}
