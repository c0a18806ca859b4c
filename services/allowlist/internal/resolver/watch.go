package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The pace of the watch.
const (
	// deaf is how long nothing may be heard, of what comes twice a second, until the
	// stream is given up as broken.
	deaf = 3 * time.Second
	// firstPause is how long to wait before a stream that broke is opened again. It
	// doubles up to lastPause for as long as nothing is heard.
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// errDeaf is why a stream is given up on which nothing is heard.
var errDeaf = errors.New("nothing was heard for too long")

// Watch keeps what is kept right, until ctx ends. Without it, or while it does not
// reach the vault for too long, each secret is resolved anew.
func (v *Vault) Watch(ctx context.Context, logger *slog.Logger) {
	if v.cache == nil {
		return
	}
	pause, denied := firstPause, false
	for {
		heard, err := v.listen(ctx)
		v.cache.metrics.connected.Set(0)
		if ctx.Err() != nil {
			v.cache.reset()
			return
		}
		switch {
		case reasonOf(err) == reasonPositionOutOfRange, errors.Is(err, errOutOfTurn):
			// The vault was started anew, or changed more than it can tell.
			v.cache.reset()
			logger.InfoContext(ctx, "the vault begins a new watch; the secrets in memory are dropped")
		case status.Code(err) == codes.PermissionDenied && !denied:
			logger.ErrorContext(ctx, "the vault lets its changes not be watched: the policy must make this workload a resolver of all workspaces; each secret is resolved anew until then")
		}
		denied = status.Code(err) == codes.PermissionDenied
		if v.cache.expire() {
			logger.WarnContext(ctx, "the vault was not heard for too long; the secrets in memory are dropped")
		}
		if heard {
			pause = firstPause
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// listen listens to one stream until it ends, and says whether something was heard.
func (v *Vault) listen(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(deaf, func() { cancel(errDeaf) })
	defer patience.Stop()

	req := &vaultv1.WatchSecretsRequest{Parent: resource.WorkspaceName(resource.Any)}
	from, resumed := v.cache.resume()
	if resumed {
		req.Position = &vaultv1.Position{Epoch: from.epoch, Sequence: from.sequence}
	}
	stream, err := v.client.WatchSecrets(ctx, req)
	if err != nil {
		return false, fmt.Errorf("watch secrets: %w", err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return heard, fmt.Errorf("watch secrets: %w", err)
		}
		patience.Reset(deaf)
		if heard {
			err = v.cache.hear(eventsFromProto(m.GetEvents()), positionFromProto(m.GetPosition()))
		} else {
			err = v.cache.begin(resumed, positionFromProto(m.GetPosition()))
		}
		if err != nil {
			return true, err
		}
		heard = true
		v.cache.metrics.connected.Set(1)
	}
}

// sleep waits for about a time, so that many do not come back at once, and reports
// whether ctx goes on.
func sleep(ctx context.Context, about time.Duration) bool {
	var drawn [2]byte
	rand.Read(drawn[:])
	spread := about * time.Duration(binary.BigEndian.Uint16(drawn[:])) / (1 << 16)
	timer := time.NewTimer(about/2 + spread)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
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
