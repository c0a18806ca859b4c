//go:build torture

package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	keyringv1 "github.com/keyward/keyward/proto/gen/keyward/keyring/v1"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const everything = "workspaces/-"

// A ringState is what super admins see of a keyring: the number of keys, and those that are destroyed.
type ringState struct {
	keys      int
	destroyed string
}

// A keyringClient is a client of the KeyringService of either program.
type keyringClient interface {
	GetKeyring(context.Context, *keyringv1.GetKeyringRequest, ...grpc.CallOption) (*keyringv1.GetKeyringResponse, error)
	RotateKeyring(context.Context, *keyringv1.RotateKeyringRequest, ...grpc.CallOption) (*keyringv1.RotateKeyringResponse, error)
	DestroyKey(context.Context, *keyringv1.DestroyKeyRequest, ...grpc.CallOption) (*keyringv1.DestroyKeyResponse, error)
}

// A maintenanceClient is a client of the MaintenanceService of either program.
type maintenanceClient interface {
	PurgeDeletedData(context.Context, *maintenancev1.PurgeDeletedDataRequest, ...grpc.CallOption) (*maintenancev1.PurgeDeletedDataResponse, error)
	Backup(context.Context, *maintenancev1.BackupRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[maintenancev1.BackupResponse], error)
}

// A ring is the keyring of a service.
type ring struct {
	subject[ringState]
	client keyringClient
}

func (r *ring) get(ctx context.Context) (*keyringv1.Keyring, error) {
	got, err := r.client.GetKeyring(ctx, &keyringv1.GetKeyringRequest{Parent: everything})
	return got.GetKeyring(), err
}

func (r *ring) rotate(ctx context.Context, request string) error {
	_, err := r.client.RotateKeyring(ctx, &keyringv1.RotateKeyringRequest{Parent: everything, RequestId: request})
	return err
}

func (r *ring) destroy(ctx context.Context, key string) error {
	_, err := r.client.DestroyKey(ctx, &keyringv1.DestroyKeyRequest{Parent: everything, KeyId: key, Reason: "a test"})
	return err
}

// A keyOwner changes the keyrings of both services.
type keyOwner struct {
	owned
	rings []*ring // of the vault and of the allowlist
}

// look creates the rings with their first state.
func (k *keyOwner) look(ctx context.Context) {
	k.rings = []*ring{
		{subject[ringState]{name: "the vault's keyring"}, k.s.vaultKeys},
		{subject[ringState]{name: "the allowlist's keyring"}, k.s.allowlistKeys},
	}
	for _, r := range k.rings {
		got, err := r.get(ctx)
		if err != nil {
			k.s.t.Errorf("GetKeyring: %v", err)
		}
		r.now = stateOfRing(got)
	}
}

func stateOfRing(k *keyringv1.Keyring) ringState {
	var destroyed []string
	for _, key := range k.GetKeys() {
		if key.GetState() == keyringv1.Key_STATE_DESTROYED {
			destroyed = append(destroyed, key.GetId())
		}
	}
	slices.Sort(destroyed)
	return ringState{keys: len(k.GetKeys()), destroyed: strings.Join(destroyed, " ")}
}

// work makes one change at a time, and then pauses, so that others work, too.
func (k *keyOwner) work(ctx context.Context) bool {
	r := pick(k.rng, k.rings)
	if r.pending != nil {
		return false
	}
	switch dice := k.rng.IntN(10); {
	case dice < 4:
		next := r.now
		next.keys++
		apply(ctx, &k.owned, &r.subject, next, change{what: "RotateKeyring", send: r.rotate, refusals: []string{"KEYRING_FULL"}})
	case dice < 5:
		k.maintain(ctx)
	case dice < 7:
		_, err := k.s.vaultKeys.RewrapSecrets(ctx, &keyringv1.RewrapSecretsRequest{Parent: everything})
		k.s.trace.add("RewrapSecrets = %v", err)
	default:
		k.destroy(ctx, r)
	}
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
	return true
}

// maintain erases deleted data, and reads a backup to its end.
func (k *keyOwner) maintain(ctx context.Context) {
	for _, name := range mortals {
		_, err := k.s.care[name].PurgeDeletedData(ctx, &maintenancev1.PurgeDeletedDataRequest{Parent: everything})
		k.maintained("PurgeDeletedData of the "+name, err)
	}
	if err := k.s.backUp(ctx, "vault", io.Discard); reasonOf(err) != "RATE_LIMITED" { // a scheduled one may run
		k.maintained("Backup of the vault", err)
	}
}

// maintained checks the result of an operation that changes nothing for callers.
func (k *keyOwner) maintained(what string, err error) {
	k.s.trace.add("%s = %v", what, err)
	switch status.Code(err) {
	case codes.OK, codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Aborted:
	default:
		k.s.t.Errorf("%s = %v", what, err)
	}
}

// destroy destroys the oldest key, which fails while values depend on it.
func (k *keyOwner) destroy(ctx context.Context, r *ring) {
	got, err := r.get(ctx)
	if err != nil {
		return
	}
	for _, key := range slices.Backward(got.GetKeys()) {
		if key.GetState() != keyringv1.Key_STATE_ENABLED {
			continue
		}
		next := r.now
		destroyed := strings.Fields(next.destroyed + " " + key.GetId())
		slices.Sort(destroyed)
		next.destroyed = strings.Join(destroyed, " ")
		send := func(ctx context.Context, _ string) error { return r.destroy(ctx, key.GetId()) }
		apply(ctx, &k.owned, &r.subject, next, change{what: "DestroyKey " + key.GetId(), send: send, refusals: []string{"KEY_IN_USE"}})
		return
	}
}

func (k *keyOwner) inspect(ctx context.Context) {
	for _, r := range k.rings {
		got, err := r.get(ctx)
		if err != nil {
			k.s.t.Errorf("GetKeyring of %s: %v", r.name, err)
			continue
		}
		r.see(&k.owned, stateOfRing(got))
	}
}

// idle fails while work in the background remains.
func (s *victims) idle(ctx context.Context) error {
	for _, r := range s.keys.rings {
		got, err := r.get(ctx)
		switch {
		case err != nil:
			return err
		case len(got.GetRoots()) > 1:
			return fmt.Errorf("%s has %d roots", r.name, len(got.GetRoots()))
		case got.GetRewrap().GetState() == keyringv1.Rewrap_STATE_RUNNING, got.GetRewrap().GetState() == keyringv1.Rewrap_STATE_FAILED:
			return fmt.Errorf("%s: rewrap is %v", r.name, got.GetRewrap())
		}
	}
	return nil
}

// A head is the last head of a log that was seen, with the key that signed it.
type head struct {
	size int64
	hash tlog.Hash
	key  string
}

// A checkpoint is the answer of GetCheckpoint of a service.
type checkpoint interface {
	GetCheckpoint() string
	GetVerifierKey() string
	GetSuccessions() []string
}

func (s *victims) checkpoint(ctx context.Context, name string) (checkpoint, error) {
	if name == "vault" {
		return s.super.vault.GetCheckpoint(ctx, &vaultv1.GetCheckpointRequest{Parent: everything})
	}
	return s.super.allowlist.GetCheckpoint(ctx, &allowlistv1.GetCheckpointRequest{Parent: everything})
}

// follow checks that the log of a service extends the last head that was seen.
func (s *victims) follow(ctx context.Context, name string, last *head) {
	answer, err := s.checkpoint(ctx, name)
	if err == nil {
		var now head
		if now, err = openHead(answer); err == nil {
			err = errors.Join(s.extends(ctx, name, *last, now), leads(*last, answer))
		}
		*last = now
	}
	if err != nil {
		s.t.Errorf("the log of the %s: %v", name, err)
	}
}

func openHead(answer checkpoint) (head, error) {
	verifier, err := note.NewVerifier(answer.GetVerifierKey())
	if err != nil {
		return head{}, err
	}
	opened, err := note.Open([]byte(answer.GetCheckpoint()), note.VerifierList(verifier))
	if err != nil {
		return head{}, err
	}
	h, err := parseHead(opened.Text)
	h.key = answer.GetVerifierKey()
	return h, err
}

// parseHead reads a checkpoint, without its signature.
func parseHead(text string) (head, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 3 {
		return head{}, errors.New("malformed checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return head{}, err
	}
	h := head{size: size}
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	copy(h.hash[:], hash)
	return h, err
}

// extends checks the proof of consistency between two heads.
func (s *victims) extends(ctx context.Context, name string, from, to head) error {
	if from.size == 0 {
		return nil
	}
	if to.size < from.size {
		return fmt.Errorf("it shrank from %d to %d entries", from.size, to.size)
	}
	var hashes [][]byte
	if name == "vault" {
		got, err := s.super.vault.ProveConsistency(ctx, &vaultv1.ProveConsistencyRequest{Parent: everything, FromSize: uint64(from.size), ToSize: uint64(to.size)})
		if err != nil {
			return err
		}
		hashes = got.GetHashes()
	} else {
		got, err := s.super.allowlist.ProveConsistency(ctx, &allowlistv1.ProveConsistencyRequest{Parent: everything, FromSize: uint64(from.size), ToSize: uint64(to.size)})
		if err != nil {
			return err
		}
		hashes = got.GetHashes()
	}
	proof := make(tlog.TreeProof, len(hashes))
	for i, hash := range hashes {
		copy(proof[i][:], hash)
	}
	return tlog.CheckTree(proof, to.size, to.hash, from.size, from.hash)
}

// leads checks that the successions lead from the last key that was seen to the present one.
func leads(from head, answer checkpoint) error {
	if from.key == "" {
		return nil
	}
	key := from.key
	for _, succession := range answer.GetSuccessions() {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return err
		}
		if opened, err := note.Open([]byte(succession), note.VerifierList(verifier)); err == nil {
			key = strings.Split(opened.Text, "\n")[2]
		}
	}
	if key != answer.GetVerifierKey() {
		return errors.New("no succession leads from the key that signed the last head to the present one")
	}
	return nil
}
