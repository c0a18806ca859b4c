package cache

import (
	"time"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A life is how long an answer about a secret that expires may be served. The zero life does not end.
type life struct {
	begin time.Time // when the vault was asked
	left  time.Duration
}

// lifeOf returns how long an answer to a question of a time may be served: not at all if the vault states
// an expiry without its own time.
func lifeOf(asked time.Time, res *vaultv1.ResolveSecretResponse) life {
	switch {
	case res.GetExpireTime() == nil:
		return life{}
	case res.GetReadTime() == nil:
		return life{begin: asked}
	}
	return life{asked, res.GetExpireTime().AsTime().Sub(res.GetReadTime().AsTime())}
}

func (l life) ended(now time.Time) bool { return !l.begin.IsZero() && since(l.begin, now) >= l.left }
