package server_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/server/servertest"
)

func TestErrorsBecomeStatuses(t *testing.T) {
	t.Parallel()
	of := func(kind fault.Kind) error { return fault.New(kind, "SOME_REASON", "some message") }
	tests := []struct {
		name   string
		err    error
		code   codes.Code
		reason string
		retry  bool
	}{
		{"an invalid argument", of(fault.InvalidArgument), codes.InvalidArgument, "SOME_REASON", false},
		{"bad credentials", of(fault.Unauthenticated), codes.Unauthenticated, "SOME_REASON", false},
		{"a role too low", of(fault.PermissionDenied), codes.PermissionDenied, "SOME_REASON", false},
		{"something absent", of(fault.NotFound), codes.NotFound, "SOME_REASON", false},
		{"a name that is taken", of(fault.AlreadyExists), codes.AlreadyExists, "SOME_REASON", false},
		{"another revision", of(fault.Aborted), codes.Aborted, "SOME_REASON", false},
		{"a failed precondition", of(fault.FailedPrecondition), codes.FailedPrecondition, "SOME_REASON", false},
		{"too much", of(fault.ResourceExhausted), codes.ResourceExhausted, "SOME_REASON", false},
		{"something out of reach", of(fault.Unavailable), codes.Unavailable, "SOME_REASON", false},
		{"a deadline", of(fault.DeadlineExceeded), codes.DeadlineExceeded, "SOME_REASON", false},
		{"a cancellation", of(fault.Canceled), codes.Canceled, "SOME_REASON", false},
		{"a wrapped fault", fmt.Errorf("save: %w", of(fault.Aborted)), codes.Aborted, "SOME_REASON", false},
		{"a fault with a time to wait", fault.New(fault.Aborted, fault.Contention, "m").Retry(time.Second), codes.Aborted, "CONTENTION", true},
		{"a full write queue", fmt.Errorf("save: %w", kv.ErrOverloaded), codes.ResourceExhausted, "OVERLOADED", true},
		{"a full disk", fmt.Errorf("save: %w: %w", kv.ErrFull, errors.New(canary)), codes.ResourceExhausted, "DISK_FULL", true},
		{"a closed store", fmt.Errorf("save: %w", kv.ErrClosed), codes.Unavailable, "UNAVAILABLE", true},
		{"a deadline that passed", fmt.Errorf("save: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "DEADLINE", false},
		{"a context that was cancelled", fmt.Errorf("save: %w", context.Canceled), codes.Canceled, "CANCELLED", false},
		{"a transaction that is too large", fmt.Errorf("save: %w", kv.ErrTooLarge), codes.Internal, "INTERNAL", false},
		{"a rotten value", fmt.Errorf("read: %w", kv.ErrCorrupt), codes.Internal, "INTERNAL", false},
		{"the status of another service", status.Error(codes.NotFound, canary), codes.Internal, "INTERNAL", false},
		{"a late status of another service", status.Error(codes.DeadlineExceeded, canary), codes.Internal, "INTERNAL", false},
		{"any other error", errors.New(canary), codes.Internal, "INTERNAL", false},
	}
	env := servertest.New(t)
	next := make(chan error, 1)
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error { return <-next })
	for _, tt := range tests { // one by one: they share the channel
		next <- tt.err
		err := getSecret(t, client)
		if status.Code(err) != tt.code || servertest.Reason(err) != tt.reason || servertest.Retryable(err) != tt.retry {
			t.Errorf("%s: GetSecret() = %v, %q, retryable %v, want %v, %q, %v", tt.name,
				status.Code(err), servertest.Reason(err), servertest.Retryable(err), tt.code, tt.reason, tt.retry)
		}
		if servertest.RequestID(err) == "" {
			t.Errorf("%s: GetSecret() carries no request id", tt.name)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, status.Convert(err).Details()), canary)
	}
}

func TestFaultReachesTheCallerWhole(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error {
		return fault.Field("secret.labels", "must be few").At("etag", "must be short").With("limit", "64").
			Because(errors.New("the operator's business"))
	})
	err := getSecret(t, client)
	want := []fault.Violation{
		{Field: "secret.labels", Description: "must be few"},
		{Field: "etag", Description: "must be short"},
	}
	if diff := cmp.Diff(want, servertest.Violations(err)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"limit": "64"}, servertest.Metadata(err)); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if got := status.Convert(err).Message(); got != "the request has malformed fields" {
		t.Errorf("message = %q, want the fault's", got)
	}
	servertest.MustNotHold(t, "the answer", fmt.Sprint(err, status.Convert(err).Details()), "operator's business")
	if !strings.Contains(env.Log.String(), "the operator's business") {
		t.Errorf("the log does not name the cause:\n%s", env.Log)
	}
}

func TestKeysOfMapsAreToldToTheCallerButNotLogged(t *testing.T) {
	t.Parallel()
	tests := []struct{ field, logged string }{
		{"endpoint.url", "endpoint.url"},
		{`endpoint.blobs["` + canary + `"].parts[0].slot`, "endpoint.blobs[].parts[0].slot"},
		{`headers["` + canary + `"]`, "headers[]"},
		{`a["` + canary + `"].b["` + canary + `"].c`, "a[].c"},
		{`a["x\"]` + canary + `"].c`, "a[].c"},
		{`a["` + canary, "a[]"},
	}
	env := servertest.New(t)
	next := make(chan error, 1)
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error { return <-next })
	for _, tt := range tests { // one by one: they share the channel
		next <- fault.Field(tt.field, "must be known")
		if got := servertest.Violations(getSecret(t, client)); len(got) != 1 || got[0].Field != tt.field {
			t.Errorf("violations of %s = %v, want the whole path", tt.field, got)
		}
		if want := `"fields":["` + tt.logged + `"]`; !strings.Contains(env.Log.String(), want) {
			t.Errorf("the log does not have %s:\n%s", want, env.Log)
		}
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
}

func TestInternalErrorIsExplainedInTheLogOnly(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error { return errors.New("the disk is full") })
	err := getSecret(t, client)
	servertest.MustNotHold(t, "the answer", fmt.Sprint(err, status.Convert(err).Details()), "the disk is full")
	for _, line := range env.Log.Lines() {
		if strings.Contains(line, "the disk is full") && strings.Contains(line, servertest.RequestID(err)) &&
			strings.Contains(line, `"level":"ERROR"`) {
			return
		}
	}
	t.Errorf("no line at level ERROR has the cause and the request id %s:\n%s", servertest.RequestID(err), env.Log)
}

func TestManyViolationsFitIntoAnAnswer(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error {
		return fault.Fields(make([]fault.Violation, 5000)...)
	})
	if got := len(servertest.Violations(getSecret(t, client))); got != 32 {
		t.Errorf("the answer names %d fields, want 32", got)
	}
}

func TestPanicIsInternalAndKeepsItsValue(t *testing.T) {
	t.Parallel()
	type holder struct{ Secret string }
	type panicCase struct {
		name string
		do   func()
		want string // in the log
	}
	tests := []panicCase{
		{"with a text", func() { panic(canary) }, "value of type string"},
		{"with an error", func() { panic(errors.New(canary)) }, "value of type *errors.errorString"},
		{"with a struct", func() { panic(holder{canary}) }, "value of type server_test.holder"},
		{"of the runtime", func() { _ = []int{}[len(canary)] }, "index out of range"},
		{"with a key among the arguments", func() { keyed([16]byte([]byte(canary))) }, "server_test.keyed"},
	}
	env := servertest.New(t)
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	update := func(key [16]byte) {
		_ = store.Update(t.Context(), func(kv.Tx) error { inTransaction(key); return nil })
	}
	key := [16]byte([]byte(canary))
	tests = append(tests, panicCase{"in a transaction", func() { update(key) }, "value of type [16]uint8"},
		panicCase{"in a transaction, with its place", func() { update(key) }, "server_test.inTransaction:"})
	next := make(chan func(), 1)
	client := serve(t, env, env.Owner(t, "acme"), func(context.Context) error { (<-next)(); return nil })
	for _, tt := range tests {
		next <- tt.do
		err := getSecret(t, client)
		if status.Code(err) != codes.Internal || servertest.Reason(err) != "INTERNAL" {
			t.Errorf("panic %s: GetSecret() = %v, want INTERNAL", tt.name, err)
		}
		servertest.MustNotHold(t, "the answer", fmt.Sprint(err, status.Convert(err).Details()), canary)
		if !strings.Contains(env.Log.String(), tt.want) {
			t.Errorf("panic %s: the log does not say %q:\n%s", tt.name, tt.want, env.Log)
		}
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
	servertest.MustNotHold(t, "the log", env.Log.String(), canary[:12])
}

//go:noinline
func keyed(key [16]byte) { panic(key) }

//go:noinline
func inTransaction(key [16]byte) { panic(key) }
