package kek

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
)

// untrusted reports whether err is one of a server that is not the one that it should be. That
// needs an operator.
func untrusted(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		name         x509.HostnameError
		record       tls.RecordHeaderError // the other side does not speak TLS
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &record)
}

// unreachable reports whether err is one of a connection that may succeed later.
func unreachable(err error) bool {
	if untrusted(err) {
		return false
	}
	var (
		network net.Error
		lookup  *net.DNSError
		dial    *net.OpError
	)
	return errors.As(err, &lookup) || errors.As(err, &dial) ||
		errors.As(err, &network) && network.Timeout() ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// temporaryStatus reports whether the status of an HTTP response is one of overload or of a server
// that cannot answer at present.
func temporaryStatus(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= http.StatusInternalServerError
}
