package api

import (
	"context"

	"github.com/keyward/keyward/pkg/auth"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Encrypt encrypts and signs a body.
func (s *Server) Encrypt(ctx context.Context, req *allowlistv1.EncryptRequest) (*allowlistv1.EncryptResponse, error) {
	name, err := endpoint.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	sent, err := s.exchanges.Encrypt(ctx, exchange.Message{
		Endpoint: name, Direction: directionFromProto(req.GetKind(), payload.Request),
		Caller: auth.FromContext(ctx).Subject, Body: req.GetBody(), Exchange: req.GetExchange(),
	})
	if err != nil {
		return nil, err
	}
	return &allowlistv1.EncryptResponse{
		Body: sent.Body, Headers: headersToProto(sent.Headers), QueryParameters: headersToProto(sent.Query),
		ContentType: sent.ContentType, Exchange: sent.Exchange,
	}, nil
}

// Decrypt decrypts a body.
func (s *Server) Decrypt(ctx context.Context, req *allowlistv1.DecryptRequest) (*allowlistv1.DecryptResponse, error) {
	name, err := endpoint.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	opened, err := s.exchanges.Decrypt(ctx, exchange.Message{
		Endpoint: name, Direction: directionFromProto(req.GetKind(), payload.Response),
		Caller: auth.FromContext(ctx).Subject, Body: req.GetBody(), Exchange: req.GetExchange(),
	})
	if err != nil {
		return nil, err
	}
	return &allowlistv1.DecryptResponse{Body: opened.Body, Exchange: opened.Exchange}, nil
}
