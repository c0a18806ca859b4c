package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// kills returns how many times a program is killed; KEYWARD_KILLS overrides it.
func kills(t testing.TB) int {
	t.Helper()
	text := os.Getenv("KEYWARD_KILLS")
	if text == "" {
		return 6
	}
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// TestKilledProgramsLoseNothing kills the vault, the allowlist, or both at once, repeatedly, while
// others write. Afterward, the acknowledged changes must exist, and nothing else except changes
// that were pending, and bindings and configurations must match.
func TestKilledProgramsLoseNothing(t *testing.T) {
	t.Parallel()
	c := apart(t)
	// Writers wait for a restarting server, because otherwise they would only fail.
	w := &writers{
		t:         t,
		vault:     vaultv1.NewVaultServiceClient(c.dial(t, c.vault, owner, grpc.WaitForReady(true))),
		allowlist: allowlistv1.NewAllowlistServiceClient(c.dial(t, c.allowlist, owner, grpc.WaitForReady(true))),
	}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	secrets, endpoints := make([]*secretWriter, 3), make([]*endpointWriter, 3)
	for i := range secrets {
		secrets[i] = &secretWriter{writers: w, id: i, names: make(map[string]*life)}
		endpoints[i] = newEndpointWriter(ctx, w, i)
		group.Go(func() { secrets[i].run(ctx) })
		group.Go(func() { endpoints[i].run(ctx) })
	}

	victims := [][]string{{"vault"}, {"allowlist"}, {"vault", "allowlist"}}
	for round := range kills(t) {
		w.waitForMore(30)
		for _, name := range victims[round%len(victims)] {
			c.running[name].kill()
		}
		for _, name := range victims[round%len(victims)] {
			c.start(name)
		}
	}
	w.waitForMore(30)
	stop()
	group.Wait()
	c.waitReady()
	t.Logf("%d changes acknowledged over %d kills", w.acknowledged.Load(), kills(t))

	for _, s := range secrets {
		s.verify()
	}
	eventually(t, 15*time.Second, "bindings and configurations match", func(ctx context.Context) error {
		for _, e := range endpoints {
			if err := e.verify(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// writers is the state that all writers share.
type writers struct {
	t            testing.TB
	vault        vaultv1.VaultServiceClient
	allowlist    allowlistv1.AllowlistServiceClient
	acknowledged atomic.Int64
}

// waitForMore waits until n more changes are acknowledged.
func (w *writers) waitForMore(n int64) {
	w.t.Helper()
	goal := w.acknowledged.Load() + n
	eventually(w.t, patience, "more changes are acknowledged", func(context.Context) error {
		if got := w.acknowledged.Load(); got < goal {
			return fmt.Errorf("%d acknowledged, want %d", got, goal)
		}
		return nil
	})
}

// do runs one change and reports whether it was acknowledged. An unacknowledged change may or may
// not have been made. A failure that no kill explains fails the test.
func (w *writers) do(ctx context.Context, what string, change func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err := change(ctx)
	switch code := status.Code(err); code {
	case codes.OK:
		w.acknowledged.Add(1)
		return true
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted:
		return false
	default:
		w.t.Errorf("%s: %v", what, err)
		return false
	}
}

// A life is the known state of one secret: how many versions were acknowledged and attempted, and
// whether it was deleted.
type life struct {
	acknowledged, attempted   uint32
	deleted, deletionUnderWay bool
}

// A secretWriter creates secrets, adds versions, and deletes some.
type secretWriter struct {
	*writers
	id    int
	names map[string]*life
}

func (s *secretWriter) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("workspaces/demo/secrets/s-%d-%d", s.id, n)
		l := &life{attempted: 1}
		s.names[name] = l
		created := s.do(ctx, "CreateSecret", func(ctx context.Context) error {
			_, err := s.vault.CreateSecret(ctx, &vaultv1.CreateSecretRequest{
				Parent: "workspaces/demo", SecretId: fmt.Sprintf("s-%d-%d", s.id, n), Secret: text("first"),
			})
			return err
		})
		if !created {
			continue
		}
		l.acknowledged = 1
		s.addVersions(ctx, name, l)
		if n%3 == 0 {
			l.deletionUnderWay = true
			l.deleted = s.do(ctx, "DeleteSecret", func(ctx context.Context) error {
				_, err := s.vault.DeleteSecret(ctx, &vaultv1.DeleteSecretRequest{Name: name})
				return err
			})
		}
	}
}

func (s *secretWriter) addVersions(ctx context.Context, name string, l *life) {
	for range 3 {
		l.attempted++
		secret := text("next")
		secret.Name = name
		if s.do(ctx, "UpdateSecret", func(ctx context.Context) error {
			_, err := s.vault.UpdateSecret(ctx, &vaultv1.UpdateSecretRequest{Secret: secret})
			return err
		}) {
			l.acknowledged++
		}
	}
}

func text(value string) *vaultv1.Secret {
	return &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: value}, WeakReason: "to be read in a test"}}
}

// verify checks each secret against what was acknowledged.
func (s *secretWriter) verify() {
	s.t.Helper()
	for name, l := range s.names {
		got, err := s.vault.GetSecret(s.t.Context(), &vaultv1.GetSecretRequest{Name: name})
		switch code := status.Code(err); {
		case code == codes.NotFound:
			if l.acknowledged > 0 && !l.deletionUnderWay {
				s.t.Errorf("%s is lost; %d versions were acknowledged", name, l.acknowledged)
			}
		case err != nil:
			s.t.Errorf("GetSecret(%s) = %v", name, err)
		case l.deleted:
			s.t.Errorf("%s is back; its deletion was acknowledged", name)
		default:
			s.verifyVersions(name, l, got.GetSecret().GetCurrentVersion())
		}
	}
}

func (s *secretWriter) verifyVersions(name string, l *life, current uint32) {
	s.t.Helper()
	if current < l.acknowledged || current > l.attempted {
		s.t.Errorf("%s is at version %d; %d were acknowledged, %d attempted", name, current, l.acknowledged, l.attempted)
	}
	got, err := s.vault.ListSecretVersions(s.t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: name})
	if err != nil || len(got.GetVersions()) != int(current) {
		s.t.Errorf("%s lists %d versions, %v, want %d", name, len(got.GetVersions()), err, current)
	}
	history, err := s.vault.ListSecretHistory(s.t.Context(), &vaultv1.ListSecretHistoryRequest{Name: name})
	if err != nil || len(history.GetChanges()) != int(current) {
		s.t.Errorf("%s has %d changes in the log, %v, want %d", name, len(history.GetChanges()), err, current)
	}
}

// An endpointWriter saves endpoints that alternately refer to one of two secrets, and deletes
// some.
type endpointWriter struct {
	*writers
	id      int
	secrets []string
	names   []string
}

func newEndpointWriter(ctx context.Context, w *writers, id int) *endpointWriter {
	w.t.Helper()
	e := &endpointWriter{writers: w, id: id}
	for _, half := range []string{"a", "b"} {
		secret := fmt.Sprintf("key-%d-%s", id, half)
		e.secrets = append(e.secrets, "workspaces/demo/secrets/"+secret)
		_, err := w.vault.CreateSecret(ctx, &vaultv1.CreateSecretRequest{
			Parent: "workspaces/demo", SecretId: secret,
			Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{
				Generate: &vaultv1.Generate{Kind: vaultv1.Generate_KIND_AES_256},
			}}},
		})
		check(w.t, err)
	}
	return e
}

func (e *endpointWriter) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("e-%d-%d", e.id, n)
		name := "workspaces/demo/endpoints/" + id
		e.names = append(e.names, name)
		if !e.do(ctx, "CreateEndpoint", func(ctx context.Context) error {
			endpoint := refersTo("", e.secrets[n%2])
			_, err := e.allowlist.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{Parent: "workspaces/demo", EndpointId: id, Endpoint: endpoint})
			return err
		}) {
			continue
		}
		for turn := range 2 {
			e.do(ctx, "UpdateEndpoint", func(ctx context.Context) error {
				_, err := e.allowlist.UpdateEndpoint(ctx, &allowlistv1.UpdateEndpointRequest{Endpoint: refersTo(name, e.secrets[(n+1+turn)%2])})
				return err
			})
		}
		if n%3 == 0 {
			e.do(ctx, "DeleteEndpoint", func(ctx context.Context) error {
				_, err := e.allowlist.DeleteEndpoint(ctx, &allowlistv1.DeleteEndpointRequest{Name: name})
				return err
			})
		}
	}
}

// refersTo returns an endpoint whose encryption refers to the secret.
func refersTo(name, secret string) *allowlistv1.Endpoint {
	return &allowlistv1.Endpoint{
		Name: name, Url: "https://api.partner.example/x", Methods: []string{"POST"},
		Encryption: &allowlistv1.Encryption{Request: &allowlistv1.Profile{
			Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
				Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM,
				Key:       &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{Keys: []*allowlistv1.SecretRef{{Name: secret}}}},
			}},
		}},
	}
}

// verify checks that exactly the endpoints that refer to a secret are bound to it, each once.
func (e *endpointWriter) verify(ctx context.Context) error {
	want := make(map[string][]string)
	for _, name := range e.names {
		got, err := e.allowlist.GetEndpoint(ctx, &allowlistv1.GetEndpointRequest{Name: name})
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return fmt.Errorf("GetEndpoint(%s): %w", name, err)
		}
		secret := got.GetEndpoint().GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys()[0].GetName()
		want[secret] = append(want[secret], name)
	}
	for _, secret := range e.secrets {
		bound, err := e.referrers(ctx, secret)
		if err != nil {
			return err
		}
		slices.Sort(want[secret])
		if !slices.Equal(bound, want[secret]) {
			return fmt.Errorf("%s is bound for %v, referred to by %v", secret, bound, want[secret])
		}
	}
	return nil
}

func (e *endpointWriter) referrers(ctx context.Context, secret string) ([]string, error) {
	var names []string
	for token := ""; ; {
		got, err := e.vault.ListSecretBindings(ctx, &vaultv1.ListSecretBindingsRequest{Parent: secret, PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, fmt.Errorf("ListSecretBindings(%s): %w", secret, err)
		}
		for _, binding := range got.GetBindings() {
			names = append(names, binding.GetReferrer())
		}
		if token = got.GetNextPageToken(); token == "" {
			slices.Sort(names)
			return names, nil
		}
	}
}
