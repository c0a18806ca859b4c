package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/standalone/localid"
)

// reconfigure restarts a program with another configuration and waits until all programs are
// ready.
func (c *constellation) reconfigure(name string, change func(string) string) {
	c.t.Helper()
	before, err := os.ReadFile(c.path(name + ".yaml"))
	check(c.t, err)
	after := change(string(before))
	if after == string(before) {
		c.t.Fatalf("the configuration of %s is unchanged", name)
	}
	check(c.t, os.WriteFile(c.path(name+".yaml"), []byte(after), 0o600))
	c.running[name].kill()
	c.start(name)
	c.waitReady()
}

// withMaxStale limits the time without the vault to [maxStale] for the allowlist, and waits until
// it is connected to the vault. It can make further changes of the configuration.
func (c *constellation) withMaxStale(changes ...string) {
	c.t.Helper()
	c.metrics = servertest.Address(c.t)
	c.reconfigure("allowlist", func(text string) string {
		text = strings.NewReplacer(changes...).Replace(text)
		// The section of the vault is the last of the file.
		return "metrics_listen: " + c.metrics + "\nreload_interval: 100ms\n" + text + "  max_stale: " + maxStale.String() + "\n"
	})
	c.waitWatched()
}

// waitWatched waits until the allowlist receives changes from the vault.
func (c *constellation) waitWatched() {
	c.t.Helper()
	c.waitMetric("keyward_vault_watch_connected 1")
}

// waitMetric waits until a line is in the metrics of the allowlist.
func (c *constellation) waitMetric(line string) {
	c.t.Helper()
	eventually(c.t, patience, line, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.metrics+"/metrics", http.NoBody)
		check(c.t, err)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err == nil && !strings.Contains(string(text), "\n"+line+"\n") {
			err = errors.New("the metrics do not contain the line")
		}
		return err
	})
}

// waitEncrypt waits until Encrypt returns a code and a reason.
func (c *constellation) waitEncrypt(client allowlistv1.AllowlistServiceClient, endpoint string, code codes.Code, reason string) {
	c.t.Helper()
	eventually(c.t, patience, strings.TrimSpace(fmt.Sprintf("Encrypt returns %v %s", code, reason)), func(ctx context.Context) error {
		_, err := encrypt(ctx, client, endpoint)
		if status.Code(err) != code || reasonOf(err) != reason {
			return fmt.Errorf("Encrypt = %w", err)
		}
		return nil
	})
}

func TestASilentConnectionToTheVaultIsDoneWithoutForAWhile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		heal func(*line)
	}{
		{"and used again when it responds again", (*line).resume},
		{"and closed when it never responds again but a new one would", (*line).resumeNew},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := apart(t)
			endpoint := register(t, c.site, "demo", "payments")
			between := newLine(t, c.vault)
			c.withMaxStale("address: "+c.vault, "address: "+between.address)
			l := c.underLoad(endpoint, 250*time.Millisecond, newKeys(t, aesKey))
			l.waitForMore(t, 4*crowd)

			o := outage{began: time.Now()}
			between.silence()
			l.waitForRefusals(t)
			o.ended = time.Now()
			tt.heal(between)
			l.waitForMore(t, 4*crowd)
			t.Logf("recovered within %v", time.Since(o.ended))
			o.judge(t, l.end())
		})
	}
}

func TestASlowVaultSlowsNobodyWhoseKeysAreInMemory(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	between := newLine(t, c.vault)
	c.withMaxStale("address: "+c.vault, "address: "+between.address)
	l := c.underLoad(endpoint, 250*time.Millisecond, newKeys(t, aesKey))
	l.waitForMore(t, 4*crowd)

	const lag = maxStale / 4
	slow := time.Now()
	between.lag.Store(int64(lag))
	eventually(t, patience, "the vault is slow for longer than max_stale", func(context.Context) error {
		if time.Since(slow) < maxStale+2*lag {
			return errors.New("not yet")
		}
		return nil
	})
	for _, s := range l.end() {
		if s.err != nil {
			t.Fatalf("a call during a slow vault failed: %v", s.err)
		}
	}
}

func TestAWorkloadCertificateIsRenewedInPlace(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	c.withMaxStale()
	client := c.allowlistAs(t, sender)
	// A restarting vault receives the current certificate.
	restart := func() {
		c.running["vault"].kill()
		c.start("vault")
	}

	const life = 10 * time.Second
	c.renew(life)
	expired := time.Now().Add(life) // slightly later than the present
	restart()
	c.waitWatched()
	c.waitEncrypt(client, endpoint, codes.OK, "")
	c.renew(time.Hour)
	eventually(t, patience, "the first certificate expires", func(ctx context.Context) error {
		if _, err := encrypt(ctx, client, endpoint); err != nil {
			t.Errorf("Encrypt while the certificate is renewed = %v", err)
		}
		if time.Now().Before(expired) {
			return errors.New("not yet")
		}
		return nil
	})
	restart()
	c.waitEncrypt(client, endpoint, codes.OK, "")

	c.renew(-time.Second)
	restart()
	c.waitEncrypt(client, endpoint, codes.Unavailable, "VAULT_UNAVAILABLE")
	c.renew(time.Hour)
	c.waitEncrypt(client, endpoint, codes.OK, "")
}

// renew gives the allowlist a certificate that is valid for some time from now on, and waits until
// the allowlist has loaded it.
func (c *constellation) renew(life time.Duration) {
	c.t.Helper()
	file := c.path("ca/authority.pem")
	authority, err := tls.LoadX509KeyPair(file, file)
	check(c.t, err)
	end := time.Now().Add(life)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(c.t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Minute), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: apartDomain, Path: "/allowlist"}},
	}, authority.Leaf, key.Public(), authority.PrivateKey)
	check(c.t, err)
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	check(c.t, localid.WriteCertificate(c.path("allowlist-client.crt"), c.path("allowlist-client.key"), cert))
	c.waitMetric(fmt.Sprintf(`keyward_certificate_expiry_timestamp_seconds{certificate="vault_client"} %g`, float64(end.Unix())))
}

func TestABrokenPolicyIsNotFollowedAndSetsTheAlarm(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	c.withMaxStale()
	client := c.allowlistAs(t, sender)
	good, err := os.ReadFile(c.path("policy.yaml"))
	check(t, err)
	install := func(policy string) {
		check(t, os.WriteFile(c.path("policy.yaml"), []byte(policy), 0o600))
	}
	c.waitMetric(`keyward_reload_failed{files="server"} 0`)

	for name, broken := range map[string]string{
		"half of it": string(good[:len(good)/2+1]) + "{", "nothing": "", "an unknown word": "peeple: []\n",
	} {
		install(broken)
		c.waitMetric(`keyward_reload_failed{files="server"} 1`)
		if _, err := encrypt(t.Context(), client, endpoint); err != nil {
			t.Errorf("Encrypt while the policy is %s = %v, want it to be served under the previous policy", name, err)
		}
		install(string(good))
		c.waitMetric(`keyward_reload_failed{files="server"} 0`)
	}
	// A repaired policy takes effect.
	install(strings.Replace(string(good), "subject: sender", "subject: unknown", 1))
	c.waitEncrypt(client, endpoint, codes.PermissionDenied, "PERMISSION_DENIED")
	install(string(good))
	c.waitEncrypt(client, endpoint, codes.OK, "")
}

func TestAnIssuerOutageDoesNotAffectKnownCallers(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	between, first, second, rotated := c.startRotatingIssuer()
	policy, err := os.ReadFile(c.path("policy.yaml"))
	check(t, err)
	check(t, os.WriteFile(c.path("policy.yaml"),
		fmt.Appendf(policy, "  - {issuer: %q, subject: sender, role: sender, workspaces: [demo]}\n", first.URL()), 0o600))
	c.reconfigure("allowlist", func(text string) string {
		return strings.Replace(text, "issuers: [", fmt.Sprintf("issuers: [{url: %q, audience: keyward, ca_file: %s}, ", first.URL(), c.path("ca.pem")), 1)
	})

	known, unknown := c.bearing(first), c.bearing(second)
	c.waitEncrypt(known, endpoint, codes.OK, "")
	between.cut()
	c.waitEncrypt(unknown, endpoint, codes.Unavailable, "UNAVAILABLE")
	if _, err := encrypt(t.Context(), known, endpoint); err != nil {
		t.Errorf("Encrypt with a token that was verified before = %v", err)
	}
	if _, err := encrypt(t.Context(), c.bearing(first), endpoint); err != nil {
		t.Errorf("Encrypt with a new token of a known key = %v", err)
	}
	rotated.Store(true)
	between.mend()
	c.waitEncrypt(unknown, endpoint, codes.OK, "")
}

// startRotatingIssuer serves an issuer over a line. It publishes the first key until rotated
// reports the rotation to the second one.
func (c *constellation) startRotatingIssuer() (between *line, first, second *localid.Issuer, rotated *atomic.Bool) {
	c.t.Helper()
	authority, err := localid.LoadOrCreate(c.path("ca"))
	check(c.t, err)
	cert, err := authority.ServerCertificate("127.0.0.1")
	check(c.t, err)
	server := httptest.NewUnstartedServer(nil)
	between = newLine(c.t, server.Listener.Addr().String())
	first, err = localid.NewIssuer("https://" + between.address)
	check(c.t, err)
	second, err = localid.NewIssuer("https://" + between.address)
	check(c.t, err)
	rotated = new(atomic.Bool)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		issuer := first
		if rotated.Load() {
			issuer = second
		}
		issuer.Handler().ServeHTTP(w, r)
	})
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // connections are cut on purpose
	server.StartTLS()
	c.t.Cleanup(server.Close)
	return between, first, second, rotated
}

// bearing returns the allowlist's client of a sender with a new token of an issuer.
func (c *constellation) bearing(issuer *localid.Issuer) allowlistv1.AllowlistServiceClient {
	c.t.Helper()
	token, err := issuer.Sign("sender", "keyward", time.Hour, nil)
	check(c.t, err)
	who := person(rand.Text())
	check(c.t, os.WriteFile(c.path(string(who)+".token"), []byte(token), 0o600))
	return c.allowlistAs(c.t, who)
}
