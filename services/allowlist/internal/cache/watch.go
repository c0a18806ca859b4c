package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/client"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The pace of the watch.
const (
	// deaf is how long nothing may be heard, of what comes twice a second, until the
	// stream is given up as broken.
	deaf = 3 * time.Second
	// firstPause is how long to wait before a stream that broke is opened again. It
	// doubles up to lastPause for as long as nothing is heard.
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// errDeaf is why a stream is given up on which nothing is heard.
var errDeaf = errors.New("nothing was heard for too long")

// Run keeps what is kept right, until ctx ends; then all is dropped. Without it, or
// while it does not reach the vault for too long, each call to [Cache.Resolve] asks the
// vault. It is to run once.
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
			// The vault was started anew, or changed more than it can tell.
			c.memory.reset()
			c.logger.InfoContext(ctx, "the vault begins a new watch; the secrets in memory are dropped")
		case isDenied(err) && !denied:
			c.logger.ErrorContext(ctx, "the vault does not let its changes be watched: its policy must make this workload a resolver of what it watches; each secret is resolved anew until then")
		}
		denied = isDenied(err)
		if c.memory.expire() {
			c.logger.WarnContext(ctx, "the vault was not heard for too long; the secrets in memory are dropped")
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

// listen listens to one stream until it ends, and says whether something was heard.
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
		c.epochs.note(at.epoch)
		if heard {
			err = c.memory.hear(eventsFromProto(message.GetEvents()), at)
		} else {
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
				c.deleted(e.GetSecret(), e.GetUid())
			}
		}
	}
}

func eventsFromProto(pb []*vaultv1.SecretEvent) []event {
	events := make([]event, len(pb))
	for i, e := range pb {
		events[i] = event{secret: e.GetSecret(), sequence: e.GetSequence()}
	}
	return events
}

func positionFromProto(pb *vaultv1.Position) position {
	return position{epoch: pb.GetEpoch(), sequence: pb.GetSequence()}
}
