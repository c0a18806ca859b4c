package cache

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The clocks of the vault and of the workload need not agree.
func TestAValueIsServedUntilItExpires(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Hour})
	k.vault.rotate("key")
	left := time.Minute
	k.vault.set(func() { k.vault.expires = &left })
	k.run(t)
	k.wants(t, "at first", ref("key"), 1)
	k.clock.advance(time.Minute - 1)
	k.wants(t, "just before", ref("key"), 1)
	pinned := ref("key")
	pinned.Version = 1
	k.wants(t, "by number", pinned, 1)
	k.wantAsks(t, "before it expires", 1)
	k.clock.advance(1)
	k.wants(t, "once it expires, if the vault still answers", ref("key"), 1)
	k.wantAsks(t, "once it expires", 2)
	k.clock.advance(time.Minute)
	refused := unusable(t, "SECRET_EXPIRED", "")
	k.vault.set(func() { k.vault.refuse = refused })
	for range 2 {
		for _, r := range []Ref{ref("key"), pinned} {
			if got, err := k.resolve(t.Context(), r); err == nil {
				got.Plain.Zero()
				t.Errorf("an expired value is served")
			}
		}
	}
	k.wantAsks(t, "refusals are not cached", 6)
}

func TestAnAnswerThatStatesNoTimeIsNotKept(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		res  *vaultv1.ResolveSecretResponse
		want bool
	}{
		"never expires":   {&vaultv1.ResolveSecretResponse{}, false},
		"no time":         {&vaultv1.ResolveSecretResponse{ExpireTime: timestamppb.New(now.Add(time.Hour))}, true},
		"expired already": {&vaultv1.ResolveSecretResponse{ExpireTime: timestamppb.New(now), ReadTime: timestamppb.New(now.Add(1))}, true},
		"expires later":   {&vaultv1.ResolveSecretResponse{ExpireTime: timestamppb.New(now.Add(1)), ReadTime: timestamppb.New(now)}, false},
	} {
		if got := lifeOf(now, tt.res).ended(now); got != tt.want {
			t.Errorf("%s: ended = %v, want %v", name, got, tt.want)
		}
	}
}
