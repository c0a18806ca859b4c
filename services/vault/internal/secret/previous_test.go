package secret_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestRefusalOfTheCurrentVersionListsPreviousVersions(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second", "third")
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	name, purpose := vaulttest.NameOf("key"), vaulttest.Purpose()
	res, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: name, Uid: uid, Purpose: purpose})
	if err != nil {
		t.Fatal(err)
	}
	var before []string
	for _, p := range res.GetPrevious() {
		before = append(before, fmt.Sprintf("%d %s", p.GetVersion(), p.GetReplaceTime().AsTime().Format(time.RFC3339Nano)))
	}
	want := strings.Join(before, ", ")
	for _, method := range []string{vaulttest.Disable, vaulttest.Destroy} {
		k.Owner.MustChange(t, method, "key", 3)
		_, err = k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: name, Uid: uid, Purpose: purpose})
		if got := servertest.Metadata(err)["previous_versions"]; got != want || len(before) != 2 {
			t.Errorf("after %s: ResolveSecret = %v, which names %q, want %q", method, err, got, want)
		}
		_, err = k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: name, Uid: uid, Version: 3, Purpose: purpose})
		if got := servertest.Metadata(err); len(got) != 0 {
			t.Errorf("after %s: the error for a version by number has %v", method, got)
		}
	}
}

func TestResolveReturnsPreviousVersions(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("first")})
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	previous := func(version uint32) []*vaultv1.PreviousVersion {
		res, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: uid, Version: version, Purpose: vaulttest.Purpose()})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetPrevious()
	}
	if got := previous(0); len(got) != 0 {
		t.Errorf("before any rotation there were %v", got)
	}
	second := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("second")}).GetUpdateTime()
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "reveals nothing about the value"})
	third := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("third")}).GetUpdateTime()
	want := []*vaultv1.PreviousVersion{{Version: 2, ReplaceTime: third}, {Version: 1, ReplaceTime: second}}
	if diff := cmp.Diff(want, previous(0), protocmp.Transform()); diff != "" {
		t.Errorf("previous versions differ (-want +got):\n%s", diff)
	}
	for version := uint32(1); version <= 3; version++ {
		if got := previous(version); len(got) != 0 {
			t.Errorf("version %d, requested by number, is returned with %v", version, got)
		}
	}
	for _, p := range want { // each can be resolved
		if got := k.Resolver.Resolve(t, "key", uid, p.GetVersion()); got != map[uint32]string{1: "first", 2: "second"}[p.GetVersion()] {
			t.Errorf("version %d resolves to another value", p.GetVersion())
		}
	}
}
