package client

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// An Allowlist is the allowlist's generated client and what makes it handier.
//
// Who calls a partner uses [Allowlist.EncryptRequest] and [Allowlist.DecryptResponse];
// who is called by one, [Allowlist.DecryptRequest] and [Allowlist.EncryptResponse], or
// [Allowlist.VerifyRequest] for what is not encrypted. Where messages are signed, options
// say what is signed beside the body.
type Allowlist struct {
	allowlistv1.AllowlistServiceClient
}

// NewAllowlist returns the allowlist at the other end of a connection.
func NewAllowlist(conn grpc.ClientConnInterface) Allowlist {
	return Allowlist{allowlistv1.NewAllowlistServiceClient(conn)}
}

// EncryptRequest makes of a body what the platform sends to the endpoint,
// `workspaces/{workspace}/endpoints/{endpoint}`.
func (a Allowlist) EncryptRequest(ctx context.Context, endpoint string, body []byte, options ...MessageOption) (Message, error) {
	return a.encrypt(ctx, &allowlistv1.EncryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, Body: body,
	}, options)
}

// EncryptResponse makes of a body the answer to a partner's request. The exchange is
// what DecryptRequest returned with that.
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

// DecryptResponse opens a partner's answer. The exchange is the one of the message that
// it answers; with an empty one, the current key is used.
func (a Allowlist) DecryptResponse(ctx context.Context, endpoint string, body []byte, exchange string, options ...MessageOption) ([]byte, error) {
	extra := besides(options)
	res, err := a.Decrypt(ctx, &allowlistv1.DecryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE, Body: body, Exchange: exchange,
		Headers: extra.headers, Context: extra.context,
	})
	return res.GetBody(), err
}

// DecryptRequest opens what a partner sent by itself. The exchange is for
// [Allowlist.EncryptResponse].
func (a Allowlist) DecryptRequest(ctx context.Context, endpoint string, body []byte, options ...MessageOption) (plain []byte, exchange string, err error) {
	extra := besides(options)
	res, err := a.Decrypt(ctx, &allowlistv1.DecryptRequest{
		Name: endpoint, Kind: allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, Body: body,
		Headers: extra.headers, Context: extra.context,
	})
	return res.GetBody(), res.GetExchange(), err
}

// VerifyRequest verifies what a partner sent by itself and only signed, such as a
// webhook. The id is that of the message, where it has one that is signed: one that was
// seen before is a replay.
func (a Allowlist) VerifyRequest(ctx context.Context, endpoint string, body []byte, options ...MessageOption) (id string, err error) {
	return a.verify(ctx, endpoint, allowlistv1.MessageKind_MESSAGE_KIND_REQUEST, body, options)
}

// VerifyResponse verifies a partner's answer that is only signed. The id is as of
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
