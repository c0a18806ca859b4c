package witness_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// A program is a program with a change log and a data file, which can be restarted.
type program struct {
	path, origin string
	// seeds are those of the keys of the log, newest first.
	seeds [][32]byte
	store kv.Store
	log   *changelog.Log
}

func (p *program) start(t *testing.T) {
	t.Helper()
	store, err := boltkv.Open(p.path, boltkv.Options{})
	allowlisttest.Must(t, err)
	p.log, err = changelog.New(p.seeds, p.origin, time.Now)
	allowlisttest.Must(t, err)
	store.Attach(changelog.Name, p.log)
	p.store = store
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	allowlisttest.Must(t, p.store.Close())
}

func (p *program) restart(t *testing.T) {
	t.Helper()
	p.stop(t)
	p.start(t)
}

func (p *program) grow(t *testing.T) {
	t.Helper()
	allowlisttest.Must(t, p.store.Update(t.Context(), func(tx kv.Tx) error {
		return p.log.Append(tx, changelog.Entry{Action: "grown", Scope: allowlisttest.Workspace, Resource: "r"})
	}))
}

// succeed stores the succession to another key, and rotate also uses the key.
func (p *program) succeed(t *testing.T, seed byte) {
	t.Helper()
	allowlisttest.Must(t, p.store.Update(t.Context(), func(tx kv.Tx) error { return p.log.Succeed(tx, [32]byte{seed}) }))
	p.seeds = append([][32]byte{{seed}}, p.seeds...)
}

func (p *program) rotate(t *testing.T, seed byte) {
	t.Helper()
	p.succeed(t, seed)
	allowlisttest.Must(t, p.log.Use(p.seeds))
}

func (p *program) head(t *testing.T) (claim changelog.Claim) {
	t.Helper()
	allowlisttest.Must(t, p.store.View(t.Context(), func(r kv.Reader) (err error) {
		claim, err = p.log.Checkpoint(r)
		return err
	}))
	return claim
}

// A logServer is a vault of which only the change log is served.
type logServer struct {
	vaultv1.UnimplementedVaultServiceServer
	program

	epoch string
	// earlier is whether the release has no successions.
	earlier bool
	// refuse, if not nil, is the answer to a lost head, and lost are those that were taken.
	refuse error
	lost   []string
	// successions are those of the last lost head.
	successions []string
	// reported is the last head that an allowlist reported.
	reported atomic.Pointer[vaultv1.WitnessCheckpointRequest]
}

func (s *logServer) GetCheckpoint(ctx context.Context, _ *vaultv1.GetCheckpointRequest) (*vaultv1.GetCheckpointResponse, error) {
	res := &vaultv1.GetCheckpointResponse{Epoch: s.epoch}
	err := s.store.View(ctx, func(r kv.Reader) error {
		own, err := s.log.Checkpoint(r)
		if res.Checkpoint, res.VerifierKey = own.Checkpoint, own.Key; !s.earlier {
			res.Successions = own.Successions
		}
		return err
	})
	return res, err
}

func (s *logServer) ProveConsistency(ctx context.Context, req *vaultv1.ProveConsistencyRequest) (*vaultv1.ProveConsistencyResponse, error) {
	res := new(vaultv1.ProveConsistencyResponse)
	err := s.store.View(ctx, func(r kv.Reader) error {
		proof, err := changelog.Prove(r, req.GetFromSize(), req.GetToSize())
		for _, hash := range proof {
			res.Hashes = append(res.Hashes, hash[:])
		}
		return err
	})
	if fault.Is(err, changelog.ReasonTooShort) {
		short, err := status.New(codes.OutOfRange, "").WithDetails(&errdetails.ErrorInfo{Reason: "LOG_TOO_SHORT", Domain: "keyward.dev"})
		if err != nil {
			return nil, err
		}
		return nil, short.Err()
	}
	return res, err
}

func (s *logServer) WitnessCheckpoint(_ context.Context, req *vaultv1.WitnessCheckpointRequest) (*vaultv1.WitnessCheckpointResponse, error) {
	if lost := req.GetLostCheckpoint(); lost != "" {
		if s.refuse != nil {
			return nil, s.refuse
		}
		s.lost, s.successions = append(s.lost, lost), req.GetLostSuccessions()
	}
	s.reported.Store(req)
	head, err := changelog.OpenCheckpoint(req.GetCheckpoint(), req.GetVerifierKey())
	return &vaultv1.WitnessCheckpointResponse{Size: head.Size, Witnessed: true}, err
}

// A pair is a vault's log, and an allowlist's witness that follows it.
type pair struct {
	vault   *logServer
	own     *program
	pin     string
	client  vaultv1.VaultServiceClient
	witness *witness.Witness
	env     *servertest.Env
}

func newPair(t *testing.T, pin string) *pair {
	t.Helper()
	folder := t.TempDir()
	p := &pair{pin: pin, env: servertest.New(t)}
	p.vault = &logServer{epoch: "1", program: program{path: filepath.Join(folder, "vault"), origin: "vault", seeds: [][32]byte{{1}}}}
	p.own = &program{path: filepath.Join(folder, "allowlist"), origin: "allowlist", seeds: [][32]byte{{100}}}
	p.vault.start(t)
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	vaultv1.RegisterVaultServiceServer(server, p.vault)
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:vault", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	allowlisttest.Must(t, err)
	t.Cleanup(func() {
		allowlisttest.Must(t, conn.Close())
		server.Stop()
		allowlisttest.Must(t, <-serving)
		p.vault.stop(t)
	})
	p.client = vaultv1.NewVaultServiceClient(conn)
	p.own.start(t)
	t.Cleanup(func() { p.own.stop(t) })
	p.open(t)
	return p
}

func (p *pair) open(t *testing.T) {
	t.Helper()
	var err error
	p.witness, err = witness.New(t.Context(), witness.Options{
		Vault: p.client, Store: p.own.store, Log: p.own.log, Key: p.pin, Logger: p.env.Logger, Metrics: prometheus.NewRegistry(),
	})
	allowlisttest.Must(t, err)
}

func (p *pair) restartVault(t *testing.T) {
	t.Helper()
	p.vault.restart(t)
	p.vault.epoch += "1"
}

func (p *pair) restartAllowlist(t *testing.T) {
	t.Helper()
	p.own.restart(t)
	p.open(t)
}

// hears lets the witness follow the present head as the watch states it.
func (p *pair) hears(t *testing.T) {
	t.Helper()
	p.witness.Heard(p.vault.epoch, p.vault.head(t).Checkpoint)
	p.follows(t)
}

// follows fails unless the witness accepts the vault, and has reported its own head.
func (p *pair) follows(t *testing.T) {
	t.Helper()
	if err := p.witness.Follow(t.Context()); err != nil || p.witness.Refusal() != nil {
		t.Fatalf("Follow() = %v, Refusal() = %v", err, p.witness.Refusal())
	}
	own, reported := p.own.head(t), p.vault.reported.Load()
	if reported.GetCheckpoint() != own.Checkpoint || reported.GetVerifierKey() != own.Key ||
		strings.Join(reported.GetSuccessions(), "") != strings.Join(own.Successions, "") {
		t.Errorf("the reported head is %v, want %v", reported, own)
	}
	var seen changelog.Seen
	allowlisttest.Must(t, p.own.store.View(t.Context(), func(r kv.Reader) (err error) {
		seen, err = changelog.NewWitness("vault", "").Seen(r)
		return err
	}))
	if want := p.vault.head(t).SignedHead; seen.Verified != want {
		t.Errorf("the verified head is %v, want %v", seen.Verified, want)
	}
}

// replacements replace the key of the vault's log while the allowlist follows, at rest, and with a restart
// of either in between.
var replacements = []struct {
	name string
	do   func(t *testing.T, p *pair)
}{
	{"while the watch states heads", func(t *testing.T, p *pair) {
		p.vault.grow(t)
		p.hears(t)
		early := p.vault.head(t).Checkpoint
		p.vault.succeed(t, 2)
		p.vault.grow(t)
		p.hears(t)
		allowlisttest.Must(t, p.vault.log.Use(p.vault.seeds))
		p.hears(t)
		p.witness.Heard(p.vault.epoch, early) // it was on its way
		p.follows(t)
		p.vault.grow(t)
		p.hears(t)
	}},
	{"without a watch", func(t *testing.T, p *pair) {
		p.vault.rotate(t, 2)
		p.follows(t)
		p.vault.grow(t)
		p.follows(t)
	}},
	{"with a restart of the vault before it uses the key", func(t *testing.T, p *pair) {
		p.vault.succeed(t, 2)
		p.restartVault(t)
		p.hears(t)
		p.vault.grow(t)
		p.hears(t)
	}},
	{"with a restart of the vault after it used the key", func(t *testing.T, p *pair) {
		p.vault.rotate(t, 2)
		p.vault.grow(t)
		p.restartVault(t)
		p.hears(t)
	}},
	{"with a restart of the allowlist", func(t *testing.T, p *pair) {
		p.vault.rotate(t, 2)
		p.restartAllowlist(t)
		p.follows(t)
		p.restartAllowlist(t)
		p.follows(t)
	}},
	{"twice while the allowlist is offline", func(t *testing.T, p *pair) {
		p.own.stop(t)
		p.vault.rotate(t, 2)
		p.vault.grow(t)
		p.restartVault(t)
		p.vault.rotate(t, 3)
		p.vault.grow(t)
		p.vault.seeds = p.vault.seeds[:1] // the old keys are gone
		p.restartVault(t)
		p.own.start(t)
		p.open(t)
		p.follows(t)
		p.vault.grow(t)
		p.hears(t)
	}},
	{"twice between two heads of the watch", func(t *testing.T, p *pair) {
		p.vault.rotate(t, 2)
		p.vault.grow(t)
		p.vault.rotate(t, 3)
		p.vault.grow(t)
		p.hears(t)
	}},
	{"and that of the allowlist", func(t *testing.T, p *pair) {
		p.own.rotate(t, 101)
		p.vault.rotate(t, 2)
		p.hears(t)
		p.own.grow(t)
		p.restartAllowlist(t)
		p.vault.grow(t)
		p.follows(t)
	}},
}

func TestTheKeyOfTheVaultsLogIsReplaced(t *testing.T) {
	t.Parallel()
	for _, tt := range replacements {
		for pinned, pin := range map[string]string{"no pin": "", "the first key pinned": keyOf(t, 1)} {
			t.Run(tt.name+", "+pinned, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, pin)
				p.follows(t)
				p.vault.grow(t)
				p.follows(t)
				tt.do(t, p)
				p.vault.grow(t)
				p.hears(t)
				p.restartVault(t)
				p.restartAllowlist(t)
				p.follows(t)
			})
		}
	}
}

func TestAReplacedKeyIsLoggedOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t, keyOf(t, 1))
	p.follows(t)
	p.vault.rotate(t, 2)
	for range 3 {
		p.vault.grow(t)
		p.hears(t)
	}
	lines := 0
	for _, line := range p.env.Log.Lines() {
		if strings.Contains(line, "set vault.log_key") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("the log has %d lines about the new key, want 1", lines)
	}
}

// TestAKeyThatNoSuccessionLeadsToIsRefused is about a vault of the right log with a wrong key.
func TestAKeyThatNoSuccessionLeadsToIsRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t, "")
	p.vault.grow(t)
	p.follows(t)
	p.vault.rotate(t, 2)
	p.vault.grow(t)
	p.vault.earlier = true
	p.witness.Heard(p.vault.epoch, p.vault.head(t).Checkpoint)
	for range 2 {
		if err := p.witness.Follow(t.Context()); !fault.Is(err, witness.ReasonRolledBack) {
			t.Errorf("Follow() = %v, want VAULT_ROLLED_BACK", err)
		}
		p.restartAllowlist(t)
	}
	p.vault.earlier = false
	p.follows(t)
}

func TestAVaultOfAnEarlierReleaseIsFollowed(t *testing.T) {
	t.Parallel()
	p := newPair(t, "")
	p.vault.earlier = true
	for range 3 {
		p.vault.grow(t)
		p.hears(t)
	}
}

// TestARestoredVaultIsAcceptedWithAnOldPin accepts a vault whose key the pinned one leads to.
func TestARestoredVaultIsAcceptedWithAnOldPin(t *testing.T) {
	t.Parallel()
	p := newPair(t, keyOf(t, 1))
	p.vault.rotate(t, 2)
	p.vault.grow(t)
	p.follows(t)
	backup := read(t, p.vault.path)
	p.vault.grow(t)
	p.hears(t)
	p.vault.stop(t)
	p.vault.path += "-restored"
	allowlisttest.Must(t, os.WriteFile(p.vault.path, backup, 0o600))
	p.vault.start(t)
	p.vault.epoch = "restored"
	if err := p.witness.Follow(t.Context()); err == nil {
		// The watch has not noticed the restart.
		err = p.witness.Admit(t.Context(), p.vault.epoch)
		if !fault.Is(err, witness.ReasonRolledBack) {
			t.Fatalf("Admit() = %v, want VAULT_ROLLED_BACK", err)
		}
	}
	_, after, err := p.witness.Accept(t.Context(), changelog.Author{Reason: "restored"})
	if err != nil || after.Verified != p.vault.head(t).SignedHead {
		t.Fatalf("Accept() = %v, %v", after, err)
	}
	p.vault.grow(t)
	p.follows(t)
}

// keyOf returns the verifier key of a vault's log with the key that is named by a number.
func keyOf(t *testing.T, number byte) string {
	t.Helper()
	changes, err := changelog.New([][32]byte{{number}}, "vault", time.Now)
	allowlisttest.Must(t, err)
	return changes.VerifierKey()
}
