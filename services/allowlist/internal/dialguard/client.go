package dialguard

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"time"
)

// ErrTooLarge is returned by reads of a body that exceeds [HTTPOptions.MaxBody].
var ErrTooLarge = errors.New("the body is larger than allowed")

// maxHeader is the maximum size of the header of a response in bytes.
const maxHeader = 16 << 10

// HTTPOptions are the limits of a client.
type HTTPOptions struct {
	// Roots are the authorities of servers' certificates. If nil, those of the system are used.
	Roots *x509.CertPool
	// Timeout is the maximum time of a request, including reading the response. Required.
	Timeout time.Duration
	// MaxBody is the maximum size of a response body in bytes. Required.
	MaxBody int64
}

// HTTPClient returns a client that connects only to addresses that the guard allows. It uses only
// HTTPS, verifies certificates, and returns redirects without following them. It sends no cookies
// and no credentials from a URL. Connections are used once. Bodies are returned as they were sent:
// nothing is decompressed.
//
// The client's errors repeat the requested URL. Do not log them.
func (g *Guard) HTTPClient(o HTTPOptions) *http.Client {
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &bounded{most: o.MaxBody, next: &http.Transport{
			Proxy:                  nil, // not even one from the environment
			DialContext:            g.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			TLSHandshakeTimeout:    o.Timeout,
			ResponseHeaderTimeout:  o.Timeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
			DisableKeepAlives:      true,
		}},
	}
}

// bounded is a transport for simple requests over HTTPS that limits the size of responses.
type bounded struct {
	next http.RoundTripper
	most int64
}

// RoundTrip sends a request, unless the client does not support it.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || req.URL.User != nil {
		if req.Body != nil {
			_ = req.Body.Close() // nothing was read from it
		}
		return nil, forbidden()
	}
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: b.most}
	return resp, nil
}

// boundedBody is a body that fails when it exceeds the limit.
type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read reads up to the limit, and one byte more to detect a longer body.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		return n, ErrTooLarge
	}
	b.left -= int64(n)
	return n, err
}
