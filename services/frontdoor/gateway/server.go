package gateway

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"
)

// Limits of a request. Above [Server]'s larger limit for headers, net/http answers; between the
// two limits this package does, in JSON.
const (
	maxURLBytes    = 8 << 10
	maxHeaderBytes = 32 << 10
	maxHeaders     = 100
)

// Server returns an HTTP server with the limits of the front door. It disconnects clients that
// send or read slowly. tlsConfig is cloned; if it is nil, the server uses plain HTTP. The logger
// logs messages of net/http, such as failed handshakes; nil means no log.
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
		// The write timeout starts when the headers have been read, so it must cover the body, the call,
		// and the response.
		WriteTimeout: 90 * time.Second,
		IdleTimeout:  2 * time.Minute,
		ErrorLog:     slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		// `OPTIONS *` is handled like any other path.
		DisableGeneralOptionsHandler: true,
	}
}
