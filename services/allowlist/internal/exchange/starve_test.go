package exchange_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// slowly creates an active endpoint that needs a separate derivation for each value.
func slowly(t testing.TB, k *allowlisttest.Kit, parent, id string, iterations int) string {
	t.Helper()
	key := k.SecretIn(t, parent, id, vaultv1.Usage_USAGE_KEY, []byte("correct horse battery staple")...)
	profile := new(allowlistv1.Profile)
	allowlisttest.Must(t, prototext.Unmarshal(fmt.Appendf(nil, `
		cipher { algorithm: ALGORITHM_AES_256_GCM shared_key {
			keys { name: %q }
			derivation { pbkdf2 { hash: HASH_SHA256 iterations: %d } salt { sent_bytes: 16 } }
		} }
		envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } }
		selection { fields { paths: "$.a[*]" } }`, key, iterations), profile))
	e := allowlisttest.Draft()
	e.Encryption = &allowlistv1.Encryption{Request: profile}
	_, err := k.Admin.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: parent, EndpointId: id, Endpoint: e})
	allowlisttest.Must(t, err)
	name := parent + "/endpoints/" + id
	_, err = k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	again(t, func() error {
		_, err := k.Admin.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: name})
		return err
	})
	return name
}

// again makes a call until it succeeds. A machine with much other work refuses slow work for a while.
func again(t testing.TB, call func() error) {
	t.Helper()
	err := call()
	for servertest.Retryable(err) && t.Context().Err() == nil {
		err = call()
	}
	allowlisttest.Must(t, err)
}

// A message that would miss its deadline is refused at once, with the time to wait. The error is
// neither an expired deadline nor a failure to decrypt.
func TestSlowMessagesThatWouldBeTooLateAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	name := slowly(t, k, allowlisttest.Workspace, "slow", 600_000)
	var sent *allowlistv1.EncryptResponse
	again(t, func() (err error) {
		sent, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: name, Body: []byte(`{"a":[1]}`)})
		return err
	})
	value := bytes.TrimSuffix(bytes.TrimPrefix(sent.GetBody(), []byte(`{"a":[`)), []byte(`]}`))
	array := func(value string) []byte { return []byte(`{"a":[` + value + strings.Repeat(","+value, 15) + `]}`) }
	for method, call := range map[string]func(context.Context) error{
		"Encrypt": func(ctx context.Context) error {
			_, err := k.Sender.Encrypt(ctx, &allowlistv1.EncryptRequest{Name: name, Body: array("1")})
			return err
		},
		"Decrypt": func(ctx context.Context) error {
			_, err := k.Sender.Decrypt(ctx, &allowlistv1.DecryptRequest{Name: name, Body: array(string(value))})
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := call(ctx)
		cancel()
		allowlisttest.WantError(t, method+" of ten million iterations in half a second", err, codes.ResourceExhausted, "RATE_LIMITED")
		if !servertest.Retryable(err) {
			t.Errorf("%s: the error has no retry delay", method)
		}
	}
}

// BenchmarkBesideSlowWork prints the time of a message of 600,000 iterations: alone, and while
// another endpoint, of the same workspace or another, keeps 24 messages of five times 2,000,000 in
// progress. It also prints the results of those within their 10 s.
func BenchmarkBesideSlowWork(b *testing.B) {
	for _, bb := range []struct{ name, parent string }{{"alone", ""}, {"of one workspace", allowlisttest.Workspace}, {"of two", "workspaces/other"}} {
		b.Run(bb.name, func(b *testing.B) {
			k := allowlisttest.New(b)
			light := slowly(b, k, allowlisttest.Workspace, "light", 600_000)
			outcomes := new(outcomes)
			ctx, stop := context.WithCancel(b.Context())
			var attack sync.WaitGroup
			if bb.parent != "" {
				heavy := slowly(b, k, bb.parent, "heavy", 2_000_000)
				for range 24 {
					attack.Go(func() { floodFor(ctx, k, heavy, outcomes) })
				}
			}
			var took []time.Duration
			b.ResetTimer()
			for b.Loop() {
				begun := time.Now()
				_, err := k.Sender.Encrypt(b.Context(), &allowlistv1.EncryptRequest{Name: light, Body: []byte(`{"a":[1]}`)})
				if err != nil {
					b.Logf("light: %v", err)
				}
				took = append(took, time.Since(begun))
			}
			stop()
			attack.Wait()
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds(), "median-s")
			b.ReportMetric(took[len(took)-1].Seconds(), "worst-s")
			b.Log(outcomes)
		})
	}
}

// floodFor sends one slow message after another until ctx ends, and waits as the errors ask.
func floodFor(ctx context.Context, k *allowlisttest.Kit, name string, o *outcomes) {
	for ctx.Err() == nil {
		begun := time.Now()
		call, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err := k.Sender.Encrypt(call, &allowlistv1.EncryptRequest{Name: name, Body: []byte(`{"a":[1,2,3,4,5]}`)})
		cancel()
		if ctx.Err() == nil {
			o.add(status.Code(err), time.Since(begun))
		}
		if servertest.Retryable(err) {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

// outcomes counts the results of calls, and their total time.
type outcomes struct {
	mutex sync.Mutex
	took  map[codes.Code][]time.Duration
}

func (o *outcomes) add(code codes.Code, took time.Duration) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.took == nil {
		o.took = make(map[codes.Code][]time.Duration)
	}
	o.took[code] = append(o.took[code], took)
}

// String returns a line for each outcome.
func (o *outcomes) String() string {
	var lines []string
	for code, took := range o.took {
		lines = append(lines, fmt.Sprintf("%d of the others ended with %v, after at most %v", len(took), code, slices.Max(took)))
	}
	return strings.Join(lines, "\n")
}
