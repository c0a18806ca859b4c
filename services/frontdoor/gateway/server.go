package gateway

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"
)

// What a request may measure. Over [Server]'s own, larger limit for headers net/http
// answers by itself; between the two this package does, in JSON.
const (
	maxURLBytes    = 8 << 10
	maxHeaderBytes = 32 << 10
	maxHeaders     = 100
)

// Server returns an HTTP server with the limits of the front door: it gives up on
// clients that are slow to send or to read. tlsConfig is cloned; without one the
// server speaks plain HTTP. The logger gets what net/http has to say, such as failed
// handshakes; nil means nowhere.
func Server(addr string, handler http.Handler, tlsConfig *tls.Config, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if tlsConfig != nil {
		tlsConfig = tlsConfig.Clone()
		tlsConfig.MinVersion = max(tlsConfig.MinVersion, tls.VersionTLS12)
		if len(tlsConfig.NextProtos) == 0 {
			tlsConfig.NextProtos = []string{"h2", "http/1.1"}
		}
	}
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		TLSConfig:         tlsConfig,
		MaxHeaderBytes:    2 * maxHeaderBytes,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		// The write clock starts when the headers were read, so it has to leave room
		// for the body, the call and the response.
		WriteTimeout: 90 * time.Second,
		IdleTimeout:  2 * time.Minute,
		ErrorLog:     slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		// `OPTIONS *` is answered like any other path.
		DisableGeneralOptionsHandler: true,
	}
}
