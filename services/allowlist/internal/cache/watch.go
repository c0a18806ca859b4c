package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/client"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The pace of the watch.
const (
	// deaf is the maximum silence of a stream. Messages arrive twice a second. A stream that is
	// silent for longer is considered broken.
	deaf = 3 * time.Second
	// firstPause is the pause before a broken stream is opened again. It doubles up to lastPause
	// while nothing is received.
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// errDeaf is the error for a silent stream.
var errDeaf = errors.New("the vault has been silent for too long")

// Run keeps the cache current until ctx ends, and then drops everything. Without it, or while it
// has not reached the vault for too long, each call to [Cache.Resolve] asks the vault. Call it
// only once.
func (c *Cache) Run(ctx context.Context) {
	if c.memory == nil {
		return
	}
	defer c.memory.reset()
	wait, denied := firstPause, false
	for {
		heard, err := c.listen(ctx)
		c.memory.metrics.connected.Set(0)
		if ctx.Err() != nil {
			return
		}
		switch {
		case client.HasReason(err, vaultv1.ErrorReason_ERROR_REASON_POSITION_OUT_OF_RANGE), errors.Is(err, errOutOfTurn):
			// The vault was restored, has more changes than it can send, or lacks what was received.
			c.memory.reset()
			c.logger.InfoContext(ctx, "the watch of the vault starts over; the cached secrets are dropped")
		case isDenied(err) && !denied:
			c.logger.ErrorContext(ctx, "the vault refuses the watch: its policy must grant this workload the role resolver in every watched workspace; until then, secrets are not cached")
		}
		denied = isDenied(err)
		if c.memory.expire() {
			c.logger.WarnContext(ctx, "the vault has been silent for too long; the cached secrets are dropped")
		}
		if heard {
			wait = firstPause
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, lastPause)
	}
}

func isDenied(err error) bool {
	return errors.Is(client.Describe(err), client.ErrDenied)
}

// listen receives one stream until it ends, and reports whether it received a message.
func (c *Cache) listen(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(deaf, func() { cancel(errDeaf) })
	defer patience.Stop()

	req := &vaultv1.WatchSecretsRequest{Parent: c.parent}
	from, resumed := c.memory.resume()
	if resumed {
		req.Position = &vaultv1.Position{Epoch: from.epoch, Sequence: from.sequence}
	}
	stream, err := c.vault.WatchSecrets(ctx, req)
	if err != nil {
		return false, fmt.Errorf("watch secrets: %w", err)
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return heard, fmt.Errorf("watch secrets: %w", err)
		}
		patience.Reset(deaf)
		at := positionFromProto(message.GetPosition())
		c.epochs.note(at)
		if checkpoint := message.GetCheckpoint(); checkpoint != "" {
			c.head(at.run, checkpoint)
		}
		if heard {
			err = c.memory.hear(eventsFromProto(message.GetEvents()), at)
		} else if err = c.trust(ctx, from, at, resumed); err != nil {
			return false, err // and come back later each time: a person may have to act
		} else {
			patience.Reset(deaf)
			err = c.memory.begin(resumed, at)
		}
		if err != nil {
			return true, err
		}
		heard = true
		c.recipient.Forget()
		c.memory.metrics.connected.Set(1)
		for _, e := range message.GetEvents() {
			if e.GetDeleted() {
				c.deleted(e.GetSecret(), e.GetUid(), e.GetDeleteReason())
			}
		}
	}
}

// trust fails unless the cache may follow a stream that begins at a position. A data file may have been
// replaced between two runs of the vault, and then has the same epoch. So the head of the log must be
// verified first. A stream may resume in another run only if a head up to its last position was
// verified before: otherwise the vault may have lost what the cache has received since.
func (c *Cache) trust(ctx context.Context, from, at position, resumed bool) error {
	if err := c.admit(ctx, at.run); err != nil {
		return fmt.Errorf("verify the vault: %w", err)
	}
	if resumed && at.run != from.run && !c.covers(from.run, from.sequence) {
		return errOutOfTurn
	}
	return nil
}

func eventsFromProto(pb []*vaultv1.SecretEvent) []event {
	events := make([]event, len(pb))
	for i, e := range pb {
		events[i] = event{secret: e.GetSecret(), sequence: e.GetSequence()}
	}
	return events
}

func positionFromProto(pb *vaultv1.Position) position {
	// A vault of an earlier release states no runs, and begins an epoch with each.
	return position{epoch: pb.GetEpoch(), run: cmp.Or(pb.GetRun(), pb.GetEpoch()), sequence: pb.GetSequence()}
}
