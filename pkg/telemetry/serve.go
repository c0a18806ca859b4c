package telemetry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// minToken is the minimum length of a token for /metrics.
const minToken = 16

// MetricsConfig configures the endpoint for metrics.
type MetricsConfig struct {
	// Listen is the address for `/metrics`, `/healthz` and `/readyz` over plain HTTP,
	// such as `127.0.0.1:9090`. They name no caller and no resource. Default none.
	Listen string `yaml:"metrics_listen"`
	// Public allows a Listen address beyond the loopback interface, with `/metrics` open
	// to all clients that can connect.
	Public bool `yaml:"metrics_public"`
	// TokenFile is a file with a token of 16 characters or more. Clients must present it as
	// a bearer token to read `/metrics`, and Listen may be beyond the loopback interface.
	// `/healthz` and `/readyz` stay open. Default no token.
	TokenFile string `yaml:"metrics_token_file"`
}

// Check returns all errors in the configuration. It opens no files.
func (c MetricsConfig) Check() error {
	if c.Listen == "" {
		if c.Public || c.TokenFile != "" {
			return errors.New("metrics_listen: is required with metrics_public and metrics_token_file")
		}
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return errors.New("metrics_listen: must be an address such as 127.0.0.1:9090")
	case c.Public && c.TokenFile != "":
		return errors.New("metrics_public, metrics_token_file: mutually exclusive")
	case !c.Public && c.TokenFile == "" && !loopback(host):
		return errors.New("metrics_listen: must be on the loopback interface unless metrics_token_file or metrics_public is set")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// A Monitor serves the health and metrics of a program. All fields are required, except those that say otherwise.
type Monitor struct {
	// Metrics are the metrics that /metrics returns.
	Metrics prometheus.Gatherer
	// Ready returns nil if the program accepts requests, and otherwise the reason, which /readyz
	// shows to everyone.
	Ready func(context.Context) error
	// Disk returns nil if there is space for changes, and otherwise the reason, which /readyz shows, too.
	// Optional.
	Disk func() error
	// Token, if not nil, is required for /metrics.
	Token *Token
	// Log receives errors.
	Log *slog.Logger
}

// Serve serves /metrics, /healthz, and /readyz until the returned function is called.
func (m Monitor) Serve(ctx context.Context, lis net.Listener) (stop func()) {
	srv := &http.Server{
		Handler:           m.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it quotes requests
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := srv.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
			m.Log.LogAttrs(ctx, slog.LevelError, "metrics are no longer served", slog.Any("cause", err))
		}
	}()
	m.Log.LogAttrs(ctx, slog.LevelInfo, "serving metrics", slog.String("listen", lis.Addr().String()))
	return func() {
		if err := srv.Close(); err != nil {
			m.Log.LogAttrs(ctx, slog.LevelWarn, "close metrics listener", slog.Any("cause", err))
		}
		<-ended
	}
}

// handler answers /healthz while the process runs, and /readyz while it accepts requests and has space
// for changes. /readyz?exclude=disk ignores the space, for load balancers that would otherwise also
// keep back the requests that change nothing.
func (m Monitor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Token.guard(promhttp.HandlerFor(m.Metrics, promhttp.HandlerOpts{})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		err := m.Ready(r.Context())
		if err == nil && m.Disk != nil && r.URL.Query().Get("exclude") != "disk" {
			err = m.Disk()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// A Token is the token for /metrics. It is stored as a digest and can be replaced while it is in
// use.
type Token struct {
	digest atomic.Pointer[[sha256.Size]byte]
}

// Load reads the token from a file.
func (t *Token) Load(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read metrics_token_file: %w", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) < minToken {
		return errors.New("read metrics_token_file: must contain 16 characters or more")
	}
	digest := sha256.Sum256(text)
	t.digest.Store(&digest)
	return nil
}

// admits compares tokens in constant time.
func (t *Token) admits(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := t.digest.Load(), sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "bearer") && want != nil && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// guard requires the token. A nil Token requires nothing.
func (t *Token) guard(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !t.admits(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
