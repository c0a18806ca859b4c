package auth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

func TestServerStartsBeforeItsIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer.down.Store(true)
	ctx := bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))
	for range 3 {
		_, err := w.authn.Authenticate(ctx)
		f, ok := fault.From(err)
		if !ok || f.Kind != fault.Unavailable || f.Reason != fault.Unreachable || f.RetryAfter <= 0 {
			t.Fatalf("Authenticate = %v with the issuer down, want UNAVAILABLE and a time to wait", err)
		}
		if strings.Contains(err.Error(), "rest") {
			t.Errorf("the cause %q quotes the issuer's answer", err)
		}
	}
	w.issuer.down.Store(false)
	w.clock.advance(2 * time.Second)
	if _, err := w.authn.Authenticate(ctx); err != nil {
		t.Errorf("Authenticate = %v with the issuer up again", err)
	}
}

func TestManyRequestsFetchKeysOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	inner := *w.issuer.handler.Load()
	var slow http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		<-release
		inner.ServeHTTP(rw, r)
	})
	w.issuer.handler.Store(&slow)
	var wg sync.WaitGroup
	for _, name := range []string{"olivia", "mia", "oscar", "sam", "robot"} {
		ctx := bearing(t.Context(), "authorization", "Bearer "+w.token(t, name, nil))
		wg.Go(func() {
			if _, err := w.authn.Authenticate(ctx); err != nil {
				t.Errorf("Authenticate = %v", err)
			}
		})
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.authn.Authenticate(bearing(impatient, "authorization", "Bearer "+w.token(t, "olivia", map[string]any{"n": 1})))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Authenticate = %v for a caller who left, want that it left", err)
	}
	close(release)
	wg.Wait()
	if n := w.issuer.fetches.Load(); n != 1 {
		t.Errorf("keys were fetched %d times, want once", n)
	}
}

func TestUnknownKeysDoNotFloodTheIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := newWorld(t)
	forged := stranger.issuer
	for range 50 {
		claims := w.claims("olivia")
		token, err := forged.Token(claims)
		if err != nil {
			t.Fatal(err)
		}
		forged.rotate(t)
		_, err = w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
		if !fault.Is(err, fault.CredentialsInvalid) {
			t.Fatalf("Authenticate = %v for an unknown key", err)
		}
	}
	if n := w.issuer.fetches.Load(); n != 1 {
		t.Errorf("keys were fetched %d times for 50 unknown ones, want once", n)
	}
}

func TestNewKeyIsFoundAndWithdrawnKeyIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authenticate := func(token string) error {
		_, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
		return err
	}
	if err := authenticate(w.token(t, "olivia", nil)); err != nil {
		t.Fatal(err)
	}
	stolen := w.issuer.Issuer
	w.issuer.rotate(t)
	w.clock.advance(3 * time.Second)
	if err := authenticate(w.token(t, "olivia", nil)); err != nil {
		t.Errorf("Authenticate = %v for a token of the new key", err)
	}
	token, err := stolen.Token(w.claims("olivia"))
	if err != nil {
		t.Fatal(err)
	}
	if err := authenticate(token); !fault.Is(err, fault.CredentialsInvalid) {
		t.Errorf("Authenticate = %v for a token of the withdrawn key", err)
	}
}

func TestWithdrawnKeyIsForgottenWhenNobodyUsesTheNewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stolen := w.issuer.Issuer
	authenticate := func() error {
		token, err := stolen.Token(w.claims("olivia"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
		return err
	}
	if err := authenticate(); err != nil {
		t.Fatal(err)
	}
	w.issuer.rotate(t)
	w.clock.advance(11 * time.Minute)
	// The first request after ten minutes makes the keys be fetched, in the background.
	deadline := time.Now().Add(10 * time.Second)
	for authenticate() == nil {
		if time.Now().After(deadline) {
			t.Fatal("the withdrawn key is still believed")
		}
		w.clock.advance(time.Second)
	}
}

func TestIssuerThatGoesAwayIsMissedAfterAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authenticate := func() error {
		_, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil)))
		return err
	}
	if err := authenticate(); err != nil {
		t.Fatal(err)
	}
	w.issuer.down.Store(true)
	for range 5 {
		w.clock.advance(11 * time.Minute)
		if err := authenticate(); err != nil {
			t.Fatalf("Authenticate = %v while the keys are less than an hour old", err)
		}
	}
	w.clock.advance(10 * time.Minute)
	if err := authenticate(); !fault.Is(err, fault.Unreachable) {
		t.Errorf("Authenticate = %v with keys of an hour ago, want UNAVAILABLE", err)
	}
}

func TestIssuersThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	reply := func(status int, header, value, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			if header != "" {
				rw.Header().Set(header, value)
			}
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}
	}
	for name, answer := range map[string]func(w *world) http.HandlerFunc{
		"redirects": func(w *world) http.HandlerFunc {
			return reply(http.StatusFound, "Location", w.issuer.URL+"/elsewhere", canary)
		},
		"another issuer's document": func(w *world) http.HandlerFunc {
			return reply(http.StatusOK, "", "", `{"issuer":"https://`+canary+`","jwks_uri":"`+w.issuer.URL+`/keys"}`)
		},
		"keys over plain HTTP": func(w *world) http.HandlerFunc {
			return reply(http.StatusOK, "", "", `{"issuer":"`+w.issuer.URL+`","jwks_uri":"http://127.0.0.1:1/`+canary+`"}`)
		},
		"no keys": func(w *world) http.HandlerFunc {
			return reply(http.StatusOK, "", "", `{"issuer":"`+w.issuer.URL+`","jwks_uri":"`+w.issuer.URL+`/keys","keys":7}`)
		},
		"no JSON":    func(*world) http.HandlerFunc { return reply(http.StatusOK, "", "", canary) },
		"no content": func(*world) http.HandlerFunc { return reply(http.StatusNoContent, "", "", "") },
		"a document without end": func(*world) http.HandlerFunc {
			return reply(http.StatusOK, "", "", strings.Repeat(canary, 100_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var handler http.Handler = answer(w)
			w.issuer.handler.Store(&handler)
			_, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil)))
			if !fault.Is(err, fault.Unreachable) || strings.Contains(err.Error(), canary) {
				t.Errorf("Authenticate = %v, want UNAVAILABLE without the issuer's words", err)
			}
		})
	}
}

func TestIssuerWithoutTrustedCertificateIsNotAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authn, err := auth.NewAuthenticator(auth.Config{
		Issuers:  []auth.IssuerConfig{{URL: w.issuer.URL, Audience: audience}},
		Policies: w.policies,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil)))
	if !fault.Is(err, fault.Unreachable) || w.issuer.fetches.Load() != 0 {
		t.Errorf("Authenticate = %v, %d fetches; want UNAVAILABLE and none", err, w.issuer.fetches.Load())
	}
}
