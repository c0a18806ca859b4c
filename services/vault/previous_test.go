package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestRefusalOfTheCurrentVersionTellsWhichWereCurrentBefore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second", "third")
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	res, err := k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: uid, Purpose: purpose()})
	if err != nil {
		t.Fatal(err)
	}
	var before []string
	for _, p := range res.GetPrevious() {
		before = append(before, fmt.Sprintf("%d %s", p.GetVersion(), p.GetReplaceTime().AsTime().Format(time.RFC3339Nano)))
	}
	want := strings.Join(before, ", ")
	for _, method := range []string{disable, destroy} {
		k.owner.must(t, method, "key", 3)
		_, err = k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: uid, Purpose: purpose()})
		if got := servertest.Metadata(err)["previous_versions"]; got != want || len(before) != 2 {
			t.Errorf("after %s: ResolveSecret = %v, which names %q, want %q", method, err, got, want)
		}
		_, err = k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: uid, Version: 3, Purpose: purpose()})
		if got := servertest.Metadata(err); len(got) != 0 {
			t.Errorf("after %s: the refusal of a version by number has %v", method, got)
		}
	}
}

func TestResolveTellsWhichVersionsWereCurrentBefore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{Value: text("first")})
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	previous := func(version uint32) []*vaultv1.PreviousVersion {
		res, err := k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: uid, Version: version, Purpose: purpose()})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetPrevious()
	}
	if got := previous(0); len(got) != 0 {
		t.Errorf("before any rotation there were %v", got)
	}
	second := k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("second")}).GetUpdateTime()
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Description: "says nothing of the value"})
	third := k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("third")}).GetUpdateTime()
	want := []*vaultv1.PreviousVersion{{Version: 2, ReplaceTime: third}, {Version: 1, ReplaceTime: second}}
	if diff := cmp.Diff(want, previous(0), protocmp.Transform()); diff != "" {
		t.Errorf("previous versions differ (-want +got):\n%s", diff)
	}
	for version := uint32(1); version <= 3; version++ {
		if got := previous(version); len(got) != 0 {
			t.Errorf("version %d, asked for by its number, comes with %v", version, got)
		}
	}
	for _, p := range want { // each can be resolved
		if got := k.resolver.resolve(t, "key", uid, p.GetVersion()); got != map[uint32]string{1: "first", 2: "second"}[p.GetVersion()] {
			t.Errorf("version %d resolves to another value", p.GetVersion())
		}
	}
}
