package client

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"google.golang.org/grpc"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// An Allowlist is the allowlist's generated client and what makes it handier.
//
// Who calls a partner uses [Allowlist.EncryptRequest] and [Allowlist.DecryptResponse];
// who is called by one, [Allowlist.DecryptRequest] and [Allowlist.EncryptResponse].
type Allowlist struct {
	allowlistv1.AllowlistServiceClient
}

// NewAllowlist returns the allowlist at the other end of a connection.
func NewAllowlist(conn grpc.ClientConnInterface) Allowlist {
	return Allowlist{allowlistv1.NewAllowlistServiceClient(conn)}
}

// A Message is what goes to a partner, as it is: a change of a single byte of the body
// breaks the signature.
type Message struct {
	Body        []byte
	ContentType string
	// Header has the endpoint's headers and those of the signature.
	Header http.Header
	// Query has the endpoint's query parameters.
	Query url.Values
	// Exchange ties the answer to this message.
	Exchange string
}

// EncryptRequest makes of a body what the platform sends to the endpoint,
// `workspaces/{workspace}/endpoints/{endpoint}`.
func (a Allowlist) EncryptRequest(ctx context.Context, endpoint string, body []byte) (Message, error) {
	return a.encrypt(ctx, &allowlistv1.EncryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, Body: body,
	})
}

// EncryptResponse makes of a body the answer to a partner's request. The exchange is
// what DecryptRequest returned with that.
func (a Allowlist) EncryptResponse(ctx context.Context, endpoint string, body []byte, exchange string) (Message, error) {
	return a.encrypt(ctx, &allowlistv1.EncryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE, Body: body, Exchange: exchange,
	})
}

func (a Allowlist) encrypt(ctx context.Context, req *allowlistv1.EncryptRequest) (Message, error) {
	res, err := a.Encrypt(ctx, req)
	if err != nil {
		return Message{}, err
	}
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
	return m, nil
}

// DecryptResponse opens a partner's answer. The exchange is the one of the message that
// it answers; with an empty one, the current key is used.
func (a Allowlist) DecryptResponse(ctx context.Context, endpoint string, body []byte, exchange string) ([]byte, error) {
	res, err := a.Decrypt(ctx, &allowlistv1.DecryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE, Body: body, Exchange: exchange,
	})
	return res.GetBody(), err
}

// DecryptRequest opens what a partner sent by itself. The exchange is for
// [Allowlist.EncryptResponse].
func (a Allowlist) DecryptRequest(ctx context.Context, endpoint string, body []byte) (plain []byte, exchange string, err error) {
	res, err := a.Decrypt(ctx, &allowlistv1.DecryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, Body: body,
	})
	return res.GetBody(), res.GetExchange(), err
}

// Request returns the HTTP request that takes the message to the partner's URL. The
// endpoint's query parameters are added to those of the URL. Header and query may hold
// credentials, and the errors of an [http.Client] quote URLs: do not log them.
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
		return nil, fmt.Errorf("make request: %w", err)
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

// Endpoints goes through all pages of
// [allowlistv1.AllowlistServiceClient.ListEndpoints]. An error comes last.
func (a Allowlist) Endpoints(ctx context.Context, req *allowlistv1.ListEndpointsRequest) iter.Seq2[*allowlistv1.Endpoint, error] {
	return pages(ctx, req, a.ListEndpoints, (*allowlistv1.ListEndpointsResponse).GetEndpoints)
}

// History goes through the changes of an endpoint, newest first; `-` in the place of the
// endpoint stands for all of the workspace. An error comes last.
func (a Allowlist) History(ctx context.Context, endpoint string) iter.Seq2[*allowlistv1.EndpointChange, error] {
	return pages(ctx, &allowlistv1.ListEndpointHistoryRequest{Name: endpoint}, a.ListEndpointHistory,
		(*allowlistv1.ListEndpointHistoryResponse).GetChanges)
}
