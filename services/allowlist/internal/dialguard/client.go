package dialguard

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"time"
)

// ErrTooLarge is returned by reads of a body beyond [HTTPOptions.MaxBody].
var ErrTooLarge = errors.New("the body is larger than allowed")

// maxHeader is the size of the largest head of an answer, in bytes.
const maxHeader = 16 << 10

// HTTPOptions are what a client is bounded by.
type HTTPOptions struct {
	// Roots are the authorities that servers' certificates must come from. Nil:
	// those of the system.
	Roots *x509.CertPool
	// Timeout is how long a request may take, with the reading of its answer.
	// Required.
	Timeout time.Duration
	// MaxBody is the size of the largest body that can be read, in bytes. Required.
	MaxBody int64
}

// HTTPClient returns a client that reaches what the guard lets pass. It speaks
// HTTPS only, verifies certificates, and gives back redirects as they are. It sends
// no cookies and no credentials from a URL. Connections are used once. Bodies come
// as they were sent: nothing is decompressed.
//
// The client's errors repeat the URL that was asked for. They are not for logs.
func (g *Guard) HTTPClient(o HTTPOptions) *http.Client {
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &bounded{most: o.MaxBody, next: &http.Transport{
			Proxy:                  nil, // not even one that the environment names
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

// bounded is a transport for plain requests over HTTPS with answers up to a size.
type bounded struct {
	next http.RoundTripper
	most int64
}

// RoundTrip sends a request, unless it is none that the client is for.
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

// boundedBody is a body that fails where it grows too large.
type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read reads up to the bound, and one byte more to see whether there is any.
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
