package vault

import (
	"context"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyadmin"
	"github.com/keyward/keyward/pkg/kv"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/rewrap"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// A keyringService answers the methods of vault.v1.KeyringService.
type keyringService struct {
	vaultv1.UnsafeKeyringServiceServer
	*keyadmin.Server
}

// values are the values that depend on the keyring.
type values struct {
	secrets *secret.Store
	rewraps *rewrap.Operation
}

var _ keyadmin.Values = values{}

// Rotated implements [keyadmin.Values].
func (v values) Rotated(ctx context.Context) error { return v.secrets.RotateSealing(ctx) }

// DependOn implements [keyadmin.Values].
func (v values) DependOn(ctx context.Context) (map[string]uint64, error) {
	return v.secrets.DependsOn(ctx)
}

// Counted implements [keyadmin.Values].
func (v values) Counted() (map[string]uint64, bool) { return v.secrets.Shown() }

// Rewrap implements [keyadmin.Values].
func (v values) Rewrap(ctx context.Context, author changelog.Author, rate uint32) (keyadmin.Rewrap, error) {
	state, err := v.rewraps.Start(ctx, author, rate)
	return rewrapOf(state), err
}

// CancelRewrap implements [keyadmin.Values].
func (v values) CancelRewrap(ctx context.Context, author changelog.Author) (keyadmin.Rewrap, error) {
	state, err := v.rewraps.Cancel(ctx, author)
	return rewrapOf(state), err
}

// RewrapState implements [keyadmin.Values].
func (v values) RewrapState() keyadmin.Rewrap {
	state, _ := v.rewraps.State()
	return rewrapOf(state)
}

func rewrapOf(s rewrap.State) keyadmin.Rewrap {
	return keyadmin.Rewrap{
		State: map[rewrap.Phase]keyadmin.RewrapState{
			rewrap.IsRunning: keyadmin.RewrapRunning, rewrap.IsDone: keyadmin.RewrapDone,
			rewrap.IsCanceled: keyadmin.RewrapCanceled, rewrap.IsFailed: keyadmin.RewrapFailed,
		}[s.Phase],
		Started: s.Started, Ended: s.Ended,
		Done: s.Done, Total: s.Total, Rewrapped: s.Rewrapped, Failed: s.Failed, Rate: s.Rate,
	}
}

// recordRewrap writes the entry about a run of the operation.
func (v *Vault) recordRewrap(tx kv.Tx, author changelog.Author, action string, _ rewrap.State) error {
	return v.admin.RecordRewrap(tx, author, action)
}
