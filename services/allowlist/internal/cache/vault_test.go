package cache

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A fakeVault is a vault that the test makes slow, silent, forgetful, or unreachable. Its
// positions follow the contract. Other tests run the cache with the real vault.
type fakeVault struct {
	vaultv1.UnimplementedVaultServiceServer

	mu       sync.Mutex
	epoch    string
	run      string            // empty: an earlier release
	log      []string          // the secret of each change
	versions map[string]uint32 // the current ones; 0: the secret was deleted
	asked    int
	watched  int
	refuse   error // of all calls, while not nil
	changed  chan struct{}
	cut      chan struct{} // closed to end the streams
	silent   bool
	// reading and answering, if not nil, run before and after ResolveSecret reads.
	reading, answering func()
	// sealing, if not nil, encrypts an answer.
	sealing func(*vaultv1.ResolveSecretRequest, *vaultv1.ResolveSecretResponse)
	// expires, if not nil, is how long secrets are still usable.
	expires *time.Duration
}

func newFakeVault() *fakeVault {
	return &fakeVault{epoch: "first", versions: make(map[string]uint32), changed: make(chan struct{}), cut: make(chan struct{})}
}

// set changes the vault and wakes the watches.
func (v *fakeVault) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
	close(v.changed)
	v.changed = make(chan struct{})
}

// rotate adds a version to a secret.
func (v *fakeVault) rotate(secret string) {
	v.set(func() {
		v.versions[secret]++
		v.log = append(v.log, secret)
	})
}

// remove deletes a secret.
func (v *fakeVault) remove(secret string) {
	v.set(func() {
		v.versions[secret] = 0
		v.log = append(v.log, secret)
	})
}

// restart ends all streams and begins an epoch.
func (v *fakeVault) restart(epoch string) {
	v.set(func() { v.epoch = epoch })
	v.hangUp()
}

// rerun ends all streams and begins a run of the same epoch. Replace, if not nil, replaces its data.
func (v *fakeVault) rerun(run string, replace func()) {
	v.set(func() {
		if v.run = run; replace != nil {
			replace()
		}
		close(v.cut)
		v.cut = make(chan struct{})
	})
}

func (v *fakeVault) hangUp() {
	v.set(func() {
		close(v.cut)
		v.cut = make(chan struct{})
	})
}

func (v *fakeVault) asks() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

func (v *fakeVault) watches() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.watched
}

func (v *fakeVault) current(secret string) uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.versions[secret]
}

func (v *fakeVault) position() *vaultv1.Position {
	return &vaultv1.Position{Epoch: v.epoch, Run: v.run, Sequence: uint64(len(v.log))}
}

func (v *fakeVault) ResolveSecret(_ context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
	v.mu.Lock()
	reading := v.reading
	v.mu.Unlock()
	if reading != nil {
		reading()
	}
	v.mu.Lock()
	v.asked++
	version := v.versions[req.GetName()]
	var previous []*vaultv1.PreviousVersion
	switch {
	case req.GetVersion() != 0:
		version = req.GetVersion()
	case version > 1:
		previous = []*vaultv1.PreviousVersion{{Version: version - 1, ReplaceTime: timestamppb.New(replacedAt(version - 1))}}
	}
	res := &vaultv1.ResolveSecretResponse{
		Value: valueOf(req.GetName(), version), Version: version, Usage: vaultv1.Usage_USAGE_KEY, Position: v.position(),
		Previous: previous,
	}
	if v.expires != nil { // the clock of the vault is another one
		read := time.Unix(1_000_000, 0)
		res.ReadTime, res.ExpireTime = timestamppb.New(read), timestamppb.New(read.Add(*v.expires))
	}
	if v.sealing != nil {
		v.sealing(req, res)
	}
	refuse, answering := v.refuse, v.answering
	v.mu.Unlock()
	if answering != nil {
		answering()
	}
	if refuse != nil {
		return nil, refuse
	}
	return res, nil
}

// replacedAt is when a version was replaced.
func replacedAt(version uint32) time.Time { return time.Unix(int64(version), 0).UTC() }

func valueOf(secret string, version uint32) []byte {
	return fmt.Appendf(nil, "%s of version %d", secret, version)
}

func (v *fakeVault) WatchSecrets(req *vaultv1.WatchSecretsRequest, stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
	v.mu.Lock()
	v.watched++
	at, cut, refuse := v.position(), v.cut, v.refuse
	v.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	if from := req.GetPosition(); from != nil {
		if from.GetEpoch() != at.GetEpoch() || from.GetSequence() > at.GetSequence() {
			return outOfRange()
		}
		at.Sequence = from.GetSequence()
	}
	if err := stream.Send(&vaultv1.WatchSecretsResponse{Position: at}); err != nil {
		return err
	}
	for {
		v.mu.Lock()
		if v.run != at.GetRun() {
			v.mu.Unlock()
			return status.Error(codes.Unavailable, "cut")
		}
		m := &vaultv1.WatchSecretsResponse{Position: v.position()}
		for i := at.GetSequence(); i < uint64(len(v.log)); i++ {
			m.Events = append(m.Events, &vaultv1.SecretEvent{
				Secret: v.log[i], Uid: "uid", Sequence: i, Deleted: v.versions[v.log[i]] == 0, DeleteReason: "why",
			})
		}
		changed, silent := v.changed, v.silent
		v.mu.Unlock()
		if !silent {
			if err := stream.Send(m); err != nil {
				return err
			}
			at = m.GetPosition()
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Millisecond): // a heartbeat
		case <-cut:
			return status.Error(codes.Unavailable, "cut")
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func outOfRange() error {
	st, err := status.New(codes.OutOfRange, "too old").
		WithDetails(&errdetails.ErrorInfo{Reason: "POSITION_OUT_OF_RANGE", Domain: "keyward.dev"})
	if err != nil {
		return err
	}
	return st.Err()
}

// A clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A kit is a running cache and its vault.
type kit struct {
	*Cache
	vault *fakeVault
	clock *clock
}

func newKit(t testing.TB, cfg Config) *kit {
	t.Helper()
	k := &kit{vault: newFakeVault(), clock: &clock{now: time.Now()}}
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer()
	vaultv1.RegisterVaultServiceServer(srv, k.vault)
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient("passthrough:///vault",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	cfg.Now = k.clock.read
	if k.Cache, err = New(vaultv1.NewVaultServiceClient(conn), cfg); err != nil {
		t.Fatal(err)
	}
	return k
}

// run runs the cache until the test ends, and returns after the cache has received a message.
func (k *kit) run(t testing.TB) {
	t.Helper()
	var ended sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	ended.Go(func() { k.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	k.caughtUp(t)
}

// caughtUp waits until the cache has received all events.
func (k *kit) caughtUp(t testing.TB) {
	t.Helper()
	await(t, "the cache to have received all events", func() bool {
		k.vault.mu.Lock()
		at := positionFromProto(k.vault.position())
		k.vault.mu.Unlock()
		k.memory.mu.Lock()
		defer k.memory.mu.Unlock()
		return k.memory.heard == at && !k.memory.stale(k.memory.now())
	})
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

func ref(secret string) Ref { return Ref{Secret: secret, UID: "uid"} }

// resolve resolves one ref.
func (k *kit) resolve(ctx context.Context, r Ref) (Value, error) {
	got := k.Resolve(ctx, []Ref{r})[0]
	return got.Value, got.Err
}

// wants resolves a ref and compares the result.
func (k *kit) wants(t testing.TB, what string, r Ref, version uint32) {
	t.Helper()
	got, err := k.resolve(t.Context(), r)
	if err != nil {
		t.Errorf("%s: Resolve = %v", what, err)
		return
	}
	defer got.Plain.Zero()
	if got.Version != version || string(got.Plain.Reveal()) != string(valueOf(r.Secret, version)) {
		t.Errorf("%s: Resolve returns version %d with %q, want version %d", what, got.Version, got.Plain.Reveal(), version)
	}
}

// wantAsks compares the number of requests to the vault.
func (k *kit) wantAsks(t testing.TB, what string, want int) {
	t.Helper()
	if got := k.vault.asks(); got != want {
		t.Errorf("%s: the vault was asked %d times, want %d", what, got, want)
	}
}
