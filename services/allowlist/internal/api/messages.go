package api

import (
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Encrypt encrypts and signs a body.
func (s *Server) Encrypt(ctx context.Context, req *allowlistv1.EncryptRequest) (*allowlistv1.EncryptResponse, error) {
	m, err := messageFromProto(ctx, req, payload.Request)
	if err != nil {
		return nil, err
	}
	m.Exchange = req.GetExchange()
	sent, err := s.exchanges.Encrypt(ctx, m)
	if err != nil {
		return nil, err
	}
	return &allowlistv1.EncryptResponse{
		Body: sent.Body, Headers: headersToProto(sent.Headers), QueryParameters: headersToProto(sent.Query),
		ContentType: sent.ContentType, Exchange: sent.Exchange,
	}, nil
}

// Decrypt verifies and decrypts a body.
func (s *Server) Decrypt(ctx context.Context, req *allowlistv1.DecryptRequest) (*allowlistv1.DecryptResponse, error) {
	m, err := messageFromProto(ctx, req, payload.Response)
	if err != nil {
		return nil, err
	}
	if m.Headers, err = headersFromProto(req.GetHeaders()); err != nil {
		return nil, err
	}
	m.Exchange = req.GetExchange()
	opened, err := s.exchanges.Decrypt(ctx, m)
	if err != nil {
		return nil, err
	}
	return &allowlistv1.DecryptResponse{Body: opened.Body, Exchange: opened.Exchange}, nil
}

// VerifySignature verifies a signature.
func (s *Server) VerifySignature(ctx context.Context, req *allowlistv1.VerifySignatureRequest) (*allowlistv1.VerifySignatureResponse, error) {
	m, err := messageFromProto(ctx, req, payload.Request)
	if err != nil {
		return nil, err
	}
	if m.Headers, err = headersFromProto(req.GetHeaders()); err != nil {
		return nil, err
	}
	verified, err := s.exchanges.Verify(ctx, m)
	if err != nil {
		return nil, err
	}
	pb := &allowlistv1.VerifySignatureResponse{Id: verified.ID}
	if !verified.Time.IsZero() {
		pb.Time = timestamppb.New(verified.Time)
	}
	return pb, nil
}

// A messageRequest is a request that contains a message.
type messageRequest interface {
	GetName() string
	GetKind() allowlistv1.MessageKind
	GetBody() []byte
	GetContext() *allowlistv1.MessageContext
}

// messageFromProto parses the fields that all requests with a message have.
func messageFromProto(ctx context.Context, req messageRequest, otherwise payload.Direction) (exchange.Message, error) {
	name, err := endpoint.ParseName(req.GetName())
	if err != nil {
		return exchange.Message{}, at("name", err)
	}
	known, err := contextFromProto(req.GetContext())
	return exchange.Message{
		Endpoint: name, Direction: directionFromProto(req.GetKind(), otherwise), Body: req.GetBody(), Context: known,
		Caller: auth.FromContext(ctx).Subject, Request: telemetry.RequestID(ctx),
	}, err
}

func contextFromProto(pb *allowlistv1.MessageContext) (payload.Context, error) {
	c := payload.Context{
		ID: pb.GetId(), Method: pb.GetMethod(), Host: pb.GetHost(), Path: pb.GetPath(), Query: pb.GetQuery(), Values: pb.GetValues(),
	}
	var wrong []fault.Violation
	if len(pb.GetHeaders()) > 0 {
		headers, err := headersFromProto(pb.GetHeaders())
		if err != nil {
			wrong = append(wrong, fault.Violation{Field: "context.headers", Description: onceEach})
		}
		c.Headers = headers
	}
	if at := pb.GetTime(); at != nil {
		c.Time = at.AsTime()
		if !at.IsValid() {
			wrong = append(wrong, fault.Violation{Field: "context.time", Description: "must be a time from the year 1 to 9999"})
		}
	}
	if c.Path != "" && c.Path[0] != '/' {
		wrong = append(wrong, fault.Violation{Field: "context.path", Description: "must start with /"})
	}
	if len(wrong) > 0 {
		return payload.Context{}, fault.Fields(wrong...)
	}
	return c, nil
}

// headersFromProto parses headers, whose names are case-insensitive. It refuses duplicate names,
// because which of the two values counts would be undefined.
func headersFromProto(pb map[string]string) (payload.Headers, error) {
	headers := make(payload.Headers, len(pb))
	for name, value := range pb {
		headers[strings.ToLower(name)] = value
	}
	if len(headers) != len(pb) {
		return nil, fault.Field("headers", onceEach)
	}
	return headers, nil
}

const onceEach = "must contain each header name once, in any case; join the values of a repeated header with a comma and a space"
