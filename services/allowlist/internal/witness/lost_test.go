package witness_test

import (
	"os"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/verify"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// rollBack lets the vault lose its newest entry, which the witness has verified, and returns the head
// that is lost.
func (p *pair) rollBack(t *testing.T) (lost string) {
	t.Helper()
	p.vault.grow(t)
	p.follows(t)
	p.vault.stop(t)
	backup := read(t, p.vault.path)
	p.vault.start(t)
	p.vault.grow(t)
	p.follows(t)
	lost = p.vault.head(t).Checkpoint
	p.vault.stop(t)
	allowlisttest.Must(t, os.WriteFile(p.vault.path, backup, 0o600))
	p.vault.start(t)
	p.vault.epoch += "1"
	if err := p.witness.Follow(t.Context()); !fault.Is(err, witness.ReasonRolledBack) {
		t.Fatalf("Follow() = %v, want a rollback", err)
	}
	return lost
}

func (p *pair) accepts(t *testing.T) {
	t.Helper()
	_, _, err := p.witness.Accept(t.Context(), changelog.Author{Reason: "restored"})
	allowlisttest.Must(t, err)
	if err := p.witness.Refusal(); err != nil {
		t.Errorf("Refusal() = %v after the acceptance", err)
	}
}

func TestAnAcceptedRestoreIsReportedToTheVault(t *testing.T) {
	t.Parallel()
	unavailable := status.Error(codes.Unavailable, "away")
	for name, restart := range map[string]bool{"later": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, "")
			p.vault.refuse = unavailable
			lost := []string{p.rollBack(t)}
			p.accepts(t)
			if err := p.witness.Follow(t.Context()); err == nil {
				t.Error("Follow() = nil while the vault does not take the lost heads")
			}
			if err := p.witness.Admit(t.Context(), p.vault.epoch); err != nil {
				t.Errorf("Admit() = %v, although the restore is accepted", err)
			}
			if restart {
				p.restartAllowlist(t)
			}
			p.vault.refuse = nil
			for range 2 {
				p.follows(t)
				if !slices.Equal(p.vault.lost, lost) {
					t.Errorf("the vault was informed of %q, want %q once", p.vault.lost, lost)
				}
			}
			p.restartAllowlist(t)
			if p.follows(t); len(p.vault.lost) != len(lost) {
				t.Error("the vault is informed again after a restart")
			}
		})
	}
}

// Bindings are compared in the epoch that the witness returns, and the vault holds changes until then.
func TestAnEpochIsNotKnownBeforeTheVaultKnowsWhatItLost(t *testing.T) {
	t.Parallel()
	p := newPair(t, "")
	p.vault.refuse = status.Error(codes.Unavailable, "away")
	lost := p.rollBack(t)
	p.accepts(t)
	if epoch, err := p.witness.Epoch(t.Context()); err == nil {
		t.Errorf("Epoch() = %+v while the vault does not take the lost head", epoch)
	}
	p.vault.refuse = nil
	epoch, err := p.witness.Epoch(t.Context())
	allowlisttest.Must(t, err)
	if epoch.ID != p.vault.epoch || !slices.Equal(p.vault.lost, []string{lost}) {
		t.Errorf("Epoch() = %+v, and the vault was informed of %q, want %q of %q", epoch, p.vault.lost, p.vault.epoch, lost)
	}
}

// The backup of the vault is from before its log got the key that signed the lost head.
func TestALostHeadComesWithTheSuccessionsOfItsKey(t *testing.T) {
	t.Parallel()
	p := newPair(t, "")
	p.vault.grow(t)
	p.follows(t)
	p.vault.stop(t)
	backup, seeds := read(t, p.vault.path), p.vault.seeds
	p.vault.start(t)
	p.vault.rotate(t, 2)
	p.vault.grow(t)
	p.follows(t)
	lost := p.vault.head(t)
	p.vault.stop(t)
	allowlisttest.Must(t, os.WriteFile(p.vault.path, backup, 0o600))
	p.vault.seeds = seeds
	p.vault.start(t)
	p.vault.epoch += "1"
	p.restartAllowlist(t)
	if err := p.witness.Follow(t.Context()); !fault.Is(err, witness.ReasonRolledBack) {
		t.Fatalf("Follow() = %v, want a rollback", err)
	}
	p.restartAllowlist(t)
	p.accepts(t)
	p.follows(t)
	if !slices.Equal(p.vault.lost, []string{lost.Checkpoint}) || !slices.Equal(p.vault.successions, lost.Successions) || len(lost.Successions) != 1 {
		t.Errorf("the vault was informed of %q with %q, want %q with %q", p.vault.lost, p.vault.successions, lost.Checkpoint, lost.Successions)
	}
}

// TestAHeadOfAnotherVaultIsNotReportedForever has a vault that never signed the lost head.
func TestAHeadOfAnotherVaultIsNotReportedForever(t *testing.T) {
	t.Parallel()
	p := newPair(t, "")
	invalid, err := status.New(codes.InvalidArgument, "").WithDetails(&errdetails.ErrorInfo{Reason: "INVALID_FIELD", Domain: "keyward.dev"})
	allowlisttest.Must(t, err)
	p.vault.refuse = invalid.Err()
	p.rollBack(t)
	p.accepts(t)
	p.follows(t)
	p.vault.refuse = nil
	if p.follows(t); len(p.vault.lost) > 0 {
		t.Error("the vault is informed again")
	}
}

// TestAnAllowlistWithALostHeadIsVerified restores the vault, and then the allowlist, too. So the vault takes
// no report from it, and the lost head stays in the store.
func TestAnAllowlistWithALostHeadIsVerified(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	backup := snapshot(t, k)
	verified(t, k, k.Secret(t, "late"))
	k.Server.Stop()
	own := read(t, k.Config.Store)
	k.Start(t)
	swap(t, k, backup)
	k.AcceptVault(t)
	k.Server.Stop()
	allowlisttest.Must(t, os.WriteFile(k.Config.Store, own, 0o600))
	k.Start(t)
	k.AcceptVault(t)
	k.Server.Stop()
	if rows := kvtest.Rows(t, k.Config.Store); rows["lost-heads\x00"] == nil {
		t.Fatal("the lost head is not in the store")
	}
	result, err := allowlist.Verify(t.Context(), k.Config, verify.Options{
		Report: func(d verify.Difference) { t.Errorf("Verify finds %s", d) },
	})
	if err != nil || !result.Complete {
		t.Errorf("Verify = %+v, %v", result, err)
	}
}

func TestARunIsCoveredUpToItsLastVerifiedHead(t *testing.T) {
	t.Parallel()
	p := newPair(t, "")
	covers := func(run string, size uint64, want bool) {
		t.Helper()
		if got := p.witness.Covers(run, size); got != want {
			t.Errorf("Covers(%s, %d) = %t", run, size, got)
		}
	}
	covers("1", 0, false)
	p.vault.grow(t)
	p.follows(t)
	p.vault.grow(t)
	p.hears(t)
	covers("1", 2, true)
	covers("1", 3, false)
	covers("", 0, false)
	p.restartVault(t)
	p.vault.grow(t)
	p.hears(t)
	covers("1", 2, true)
	covers("1", 3, false) // another log may have got this size meanwhile
	covers("11", 3, true)
	p.restartVault(t)
	p.hears(t)
	covers("1", 1, false)
	covers("11", 3, true)
}
