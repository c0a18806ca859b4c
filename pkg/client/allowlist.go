package client

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// An Allowlist is the allowlist's generated client with convenience methods.
//
// Callers of a partner use [Allowlist.EncryptRequest] and [Allowlist.DecryptResponse]. Servers
// that a partner calls use [Allowlist.DecryptRequest] and [Allowlist.EncryptResponse], or
// [Allowlist.VerifyRequest] for messages that are not encrypted. For signed messages, options
// provide the signed parts outside the body.
type Allowlist struct {
	allowlistv1.AllowlistServiceClient
}

// NewAllowlist returns the allowlist at the other end of a connection.
func NewAllowlist(conn grpc.ClientConnInterface) Allowlist {
	return Allowlist{allowlistv1.NewAllowlistServiceClient(conn)}
}

// EncryptRequest encrypts and signs the body of a request from the platform to the endpoint,
// `workspaces/{workspace}/endpoints/{endpoint}`.
func (a Allowlist) EncryptRequest(ctx context.Context, endpoint string, body []byte, options ...MessageOption) (Message, error) {
	return a.encrypt(ctx, &allowlistv1.EncryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, Body: body,
	}, options)
}

// EncryptResponse encrypts and signs the body of a response to a partner's request. The exchange
// is the one that DecryptRequest returned with that request.
func (a Allowlist) EncryptResponse(ctx context.Context, endpoint string, body []byte, exchange string, options ...MessageOption) (Message, error) {
	return a.encrypt(ctx, &allowlistv1.EncryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE, Body: body, Exchange: exchange,
	}, options)
}

func (a Allowlist) encrypt(ctx context.Context, req *allowlistv1.EncryptRequest, options []MessageOption) (Message, error) {
	req.Context = besides(options).context
	res, err := a.Encrypt(ctx, req)
	if err != nil {
		return Message{}, err
	}
	return messageFromProto(res), nil
}

// DecryptResponse decrypts a partner's response. The exchange is that of the request; if it is
// empty, the current key is used.
func (a Allowlist) DecryptResponse(ctx context.Context, endpoint string, body []byte, exchange string, options ...MessageOption) ([]byte, error) {
	extra := besides(options)
	res, err := a.Decrypt(ctx, &allowlistv1.DecryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE, Body: body, Exchange: exchange,
		Headers: extra.headers, Context: extra.context,
	})
	return res.GetBody(), err
}

// DecryptRequest decrypts a request of a partner. The returned exchange is for
// [Allowlist.EncryptResponse].
func (a Allowlist) DecryptRequest(ctx context.Context, endpoint string, body []byte, options ...MessageOption) (plain []byte, exchange string, err error) {
	extra := besides(options)
	res, err := a.Decrypt(ctx, &allowlistv1.DecryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, Body: body,
		Headers: extra.headers, Context: extra.context,
	})
	return res.GetBody(), res.GetExchange(), err
}

// VerifyRequest verifies a request of a partner that is signed and not encrypted, such as a
// webhook. The ID is that of the message, if it has a signed one: an ID that has been seen before
// means a replay.
func (a Allowlist) VerifyRequest(ctx context.Context, endpoint string, body []byte, options ...MessageOption) (id string, err error) {
	return a.verify(ctx, endpoint, allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, body, options)
}

// VerifyResponse verifies a partner's response that is signed and not encrypted. The ID is as for
// [Allowlist.VerifyRequest].
func (a Allowlist) VerifyResponse(ctx context.Context, endpoint string, body []byte, options ...MessageOption) (id string, err error) {
	return a.verify(ctx, endpoint, allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE, body, options)
}

func (a Allowlist) verify(ctx context.Context, endpoint string, kind allowlistv1.MessageKind, body []byte, options []MessageOption) (string, error) {
	extra := besides(options)
	res, err := a.VerifySignature(ctx, &allowlistv1.VerifySignatureRequest{
		Name: endpoint, Kind: kind, Body: body, Headers: extra.headers, Context: extra.context,
	})
	return res.GetId(), err
}

// Endpoints iterates over all pages of [allowlistv1.AllowlistServiceClient.ListEndpoints]. An
// error ends the iteration.
func (a Allowlist) Endpoints(ctx context.Context, req *allowlistv1.ListEndpointsRequest) iter.Seq2[*allowlistv1.Endpoint, error] {
	return pages(ctx, req, a.ListEndpoints, (*allowlistv1.ListEndpointsResponse).GetEndpoints)
}

// History iterates over the changes of an endpoint, newest first; `-` as the endpoint means the
// whole workspace. An error ends the iteration.
func (a Allowlist) History(ctx context.Context, endpoint string) iter.Seq2[*allowlistv1.EndpointChange, error] {
	return pages(ctx, &allowlistv1.ListEndpointHistoryRequest{Name: endpoint}, a.ListEndpointHistory,
		(*allowlistv1.ListEndpointHistoryResponse).GetChanges)
}
