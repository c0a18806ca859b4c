package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

func duration(d time.Duration) *time.Duration { return &d }

func TestTimesOfTokensPerIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name     string
		lifetime time.Duration
		skew     *time.Duration
		issued   time.Duration // from now
		expires  time.Duration
		want     bool
	}{
		{"an hour by default", 0, nil, 0, time.Hour, true},
		{"more than an hour by default", 0, nil, 0, time.Hour + time.Second, false},
		{"Microsoft's 90 minutes", 90 * time.Minute, nil, 0, 90 * time.Minute, true},
		{"a second more", 90 * time.Minute, nil, 0, 90*time.Minute + time.Second, false},
		{"a second more, of which most is over", 90 * time.Minute, nil, -89 * time.Minute, time.Minute + time.Second, false},
		{"Auth0's day", day, nil, 0, day, true},
		{"28 hours", 28 * time.Hour, nil, 0, 28 * time.Hour, true},
		{"a shorter bound than the default", 10 * time.Minute, nil, 0, 11 * time.Minute, false},
		{"a day that is over", day, nil, -day, 0, false},
		{"issued a minute ahead by default", 0, nil, time.Minute, time.Hour, true},
		{"issued more than a minute ahead by default", 0, nil, time.Minute + 2*time.Second, time.Hour, false},
		{"issued four minutes ahead with five of skew", 0, duration(5 * time.Minute), 4 * time.Minute, time.Hour, true},
		{"issued six minutes ahead with five of skew", 0, duration(5 * time.Minute), 6 * time.Minute, time.Hour, false},
		{"issued ahead without skew", 0, duration(0), 2 * time.Second, time.Hour, false},
		{"issued now without skew", 0, duration(0), 0, time.Hour, true},
		{"expired a second ago with five minutes of skew", 0, duration(5 * time.Minute), -time.Minute, -time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			authn := w.authenticator(t, func(c *auth.Config) {
				c.Issuers[0].MaxTokenLifetime, c.Issuers[0].ClockSkew = tt.lifetime, tt.skew
			})
			now := w.clock.Now().Truncate(time.Second)
			token := w.token(t, "olivia", map[string]any{"iat": now.Add(tt.issued).Unix(), "exp": now.Add(tt.expires).Unix()})
			_, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
			if tt.want != (err == nil) || err != nil && !fault.Is(err, fault.CredentialsInvalid) {
				t.Errorf("Authenticate = %v, want it accepted: %v", err, tt.want)
			}
		})
	}
}

func TestTokenOfADayEndsWhenItExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authn := w.authenticator(t, func(c *auth.Config) { c.Issuers[0].MaxTokenLifetime = 28 * time.Hour })
	// Remembered until the last moment, and a minute after it.
	token := w.token(t, "olivia", map[string]any{"iat": w.clock.Now().Unix(), "exp": w.clock.Now().Add(24 * time.Hour).Unix()})
	ctx := bearing(t.Context(), "authorization", "Bearer "+token)
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {24*time.Hour - 2*time.Minute, true}, {90 * time.Second, true}, {time.Minute, false}} {
		w.clock.advance(step.after)
		if _, err := authn.Authenticate(ctx); (err == nil) != step.want {
			t.Errorf("Authenticate = %v %v later, want it accepted: %v", err, step.after, step.want)
		}
	}
}

func TestBoundsOfTimesAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*auth.IssuerConfig)
		field  string // of the error; empty without one
	}{
		{"28 hours", func(c *auth.IssuerConfig) { c.MaxTokenLifetime = 28 * time.Hour }, ""},
		{"more than 28 hours", func(c *auth.IssuerConfig) { c.MaxTokenLifetime = 28*time.Hour + 1 }, "max_token_lifetime"},
		{"a negative lifetime", func(c *auth.IssuerConfig) { c.MaxTokenLifetime = -time.Hour }, "max_token_lifetime"},
		{"less than a second", func(c *auth.IssuerConfig) { c.MaxTokenLifetime = 60 }, "max_token_lifetime"},
		{"no skew", func(c *auth.IssuerConfig) { c.ClockSkew = duration(0) }, ""},
		{"five minutes of skew", func(c *auth.IssuerConfig) { c.ClockSkew = duration(5 * time.Minute) }, ""},
		{"more skew", func(c *auth.IssuerConfig) { c.ClockSkew = duration(5*time.Minute + 1) }, "clock_skew"},
		{"negative skew", func(c *auth.IssuerConfig) { c.ClockSkew = duration(-1) }, "clock_skew"},
	} {
		cfg := auth.IssuerConfig{URL: "https://issuer.example", Audience: audience}
		tt.change(&cfg)
		err := cfg.Check()
		if (tt.field == "") != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), tt.field+": ") {
			t.Errorf("%s: Check() = %v, want an error of %q", tt.name, err, tt.field)
		}
	}
}
