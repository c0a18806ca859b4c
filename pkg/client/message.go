package client

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A Message is a message to a partner. Send it unchanged: a change of a single byte of the body
// breaks the signature.
type Message struct {
	Body        []byte
	ContentType string
	// Header contains the endpoint's headers and those of the signature.
	Header http.Header
	// Query contains the endpoint's query parameters.
	Query url.Values
	// Exchange is the exchange token, which relates the response to this message.
	Exchange string
}

func messageFromProto(res *allowlistv1.EncryptResponse) Message {
	m := Message{
		Body: res.GetBody(), ContentType: res.GetContentType(), Exchange: res.GetExchange(),
		Header: make(http.Header), Query: make(url.Values),
	}
	for _, h := range res.GetHeaders() {
		m.Header.Add(h.GetName(), h.GetValue())
	}
	for _, q := range res.GetQueryParameters() {
		m.Query.Add(q.GetName(), q.GetValue())
	}
	return m
}

// Request returns the HTTP request that sends the message to the partner's URL. The endpoint's
// query parameters are added to those of the URL. Header and query may contain credentials, and
// the errors of an [http.Client] quote URLs: do not log them.
func (m Message) Request(ctx context.Context, method, target string) (*http.Request, error) {
	parsed, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("parse URL: %w", err)
	}
	if len(m.Query) > 0 {
		added := m.Query.Encode()
		if parsed.RawQuery != "" {
			added = parsed.RawQuery + "&" + added
		}
		parsed.RawQuery = added
	}
	req, err := http.NewRequestWithContext(ctx, method, parsed.String(), bytes.NewReader(m.Body))
	if err != nil {
		return nil, fmt.Errorf("create request: %w", err)
	}
	req.Header = m.Header.Clone()
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if m.ContentType != "" {
		req.Header.Set("Content-Type", m.ContentType)
	}
	return req, nil
}

// A MessageOption provides a part of a message other than its body.
type MessageOption func(*extra)

// extra is the parts of a message that options provide.
type extra struct {
	headers map[string]string
	context *allowlistv1.MessageContext
}

func besides(options []MessageOption) (e extra) {
	for _, option := range options {
		option(&e)
	}
	return e
}

// WithHeader provides the header of a received message, which may contain signatures and parts of
// the message. At most 64 names are accepted. It has no effect on messages that are encrypted:
// they get their header.
func WithHeader(header http.Header) MessageOption {
	return func(e *extra) {
		e.headers = make(map[string]string, len(header))
		for name, values := range header {
			e.headers[name] = strings.Join(values, ", ")
		}
	}
}

// WithContext provides the signed parts of a message other than the body and the header; see
// [ContextOf].
func WithContext(context *allowlistv1.MessageContext) MessageOption {
	return func(e *extra) { e.context = context }
}

// ContextOf returns the method, path, query, and host of a request, as a partner sent it to a
// server or as it will be sent to a partner.
func ContextOf(req *http.Request) *allowlistv1.MessageContext {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	path, query, _ := strings.Cut(target(req), "?")
	return &allowlistv1.MessageContext{Method: method, Path: path, Query: query, Host: strings.Trim(host, "[]")}
}

// target returns the path and query as they were sent or will be sent. Earlier handlers may have
// changed the URL of an incoming request.
func target(req *http.Request) string {
	if req.RequestURI == "" {
		return req.URL.RequestURI()
	}
	if strings.HasPrefix(req.RequestURI, "/") {
		return req.RequestURI
	}
	sent, err := url.ParseRequestURI(req.RequestURI) // in the form for a proxy
	if err != nil {
		return req.RequestURI
	}
	return sent.RequestURI()
}
