package cases

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/bench/internal/scatter"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// A Case is a kind of call.
type Case struct {
	// Name is the name of the method, with JSON for a call through the gateway.
	Name string
	// Program is the program that is called.
	Program string
	// Method is the full name of the method.
	Method string
	// Caller makes the calls.
	Caller site.Caller
	// Next returns the n-th encoded request; a path for JSON.
	Next func(n uint64) []byte
	// Prepare, if not nil, makes the requests valid for the next minutes.
	Prepare func(context.Context) error
	// Check, if not nil, returns an error unless the response is as expected.
	Check func(response []byte) error
}

// JSON reports whether the calls are JSON over HTTP.
func (c Case) JSON() bool { return c.Program == site.Gateway }

// The names of the cases that others treat differently.
const (
	GetSecret    = "GetSecret"
	CheckURL     = "CheckUrl"
	CreateSecret = "CreateSecret"
	UpdateSecret = "UpdateSecret"
)

// bodySize is the size of a message in bytes.
const bodySize = 1024

// All returns the cases.
func (w *World) All() []Case {
	resolve := w.resolveRequests()
	get := func(n uint64) string { return secretName(secretID(scatter.Index(n, w.secrets))) }
	encrypt := encoded(&allowlistv1.EncryptRequest{Name: endpointName(messages), Body: body()})
	list := encoded(&vaultv1.ListSecretsRequest{Parent: site.Workspace, PageSize: 50})
	return []Case{
		{
			Name: "ResolveSecret", Program: site.Vault, Method: vaultv1.VaultService_ResolveSecret_FullMethodName, Caller: w.Resolver,
			Next: func(n uint64) []byte { return resolve[scatter.Index(n, len(resolve))] },
		},
		{
			Name: GetSecret, Program: site.Vault, Method: vaultv1.VaultService_GetSecret_FullMethodName, Caller: w.Owner,
			Next: func(n uint64) []byte { return encoded(&vaultv1.GetSecretRequest{Name: get(n)}) },
		},
		{
			Name: "ListSecrets", Program: site.Vault, Method: vaultv1.VaultService_ListSecrets_FullMethodName, Caller: w.Owner,
			Next: func(uint64) []byte { return list },
		},
		{
			Name: CreateSecret, Program: site.Vault, Method: vaultv1.VaultService_CreateSecret_FullMethodName, Caller: w.Owner,
			Next: func(uint64) []byte { return encoded(createRequest(w.newID())) },
		},
		{
			Name: UpdateSecret, Program: site.Vault, Method: vaultv1.VaultService_UpdateSecret_FullMethodName, Caller: w.Owner,
			Next: func(n uint64) []byte { return encoded(updateRequest(secretID(scatter.Index(n, w.secrets)))) },
		},
		{
			Name: "Encrypt", Program: site.Allowlist, Method: allowlistv1.AllowlistService_Encrypt_FullMethodName, Caller: w.Sender,
			Next: func(uint64) []byte { return encrypt },
		},
		w.decrypt(encrypt),
		{
			Name: CheckURL, Program: site.Allowlist, Method: allowlistv1.AllowlistService_CheckUrl_FullMethodName, Caller: w.Sender,
			Next: func(n uint64) []byte {
				return encoded(&allowlistv1.CheckUrlRequest{Parent: site.Workspace, Method: "POST", Url: endpointURL(w.spread(scatter.Index(n, w.active())))})
			},
			Check: allowed,
		},
		{
			Name: "JSON GetSecret", Program: site.Gateway, Method: vaultv1.VaultService_GetSecret_FullMethodName, Caller: w.Owner,
			Next: func(n uint64) []byte { return []byte("/v1/" + get(n)) },
		},
	}
}

// Search is a list of secrets that finds none.
func (w *World) Search() Case {
	search := encoded(&vaultv1.ListSecretsRequest{Parent: site.Workspace, PageSize: 50, Query: "no-such-id"})
	return Case{
		Name: "search without a match (1 caller)", Program: site.Vault, Method: vaultv1.VaultService_ListSecrets_FullMethodName, Caller: w.Owner,
		Next: func(uint64) []byte { return search },
	}
}

func (w *World) resolveRequests() [][]byte {
	all := make([][]byte, len(w.bound))
	for i, s := range w.bound {
		all[i] = encoded(resolveRequest(s))
	}
	return all
}

// decrypt returns the case that decrypts what Encrypt returned a short time ago: a message expires.
func (w *World) decrypt(encrypt []byte) Case {
	var request []byte
	return Case{
		Name: "Decrypt", Program: site.Allowlist, Method: allowlistv1.AllowlistService_Decrypt_FullMethodName, Caller: w.Sender,
		Prepare: func(ctx context.Context) error {
			conn, err := site.Dial(w.site.Address(site.Allowlist), w.Sender.TLS, w.Sender.Token, grpc.ForceCodecV2(site.Raw{}))
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			var response []byte
			if err := conn.Invoke(ctx, allowlistv1.AllowlistService_Encrypt_FullMethodName, encrypt, &response); err != nil {
				return fmt.Errorf("encrypt a message: %w", err)
			}
			message := new(allowlistv1.EncryptResponse)
			if err := proto.Unmarshal(response, message); err != nil {
				return err
			}
			request = encoded(&allowlistv1.DecryptRequest{Name: endpointName(messages), Body: message.GetBody(), Exchange: message.GetExchange()})
			return nil
		},
		Next: func(uint64) []byte { return request },
		Check: func(response []byte) error {
			message := new(allowlistv1.DecryptResponse)
			if err := proto.Unmarshal(response, message); err != nil {
				return err
			}
			if string(message.GetBody()) != string(body()) {
				return fmt.Errorf("the message decrypts to something else")
			}
			return nil
		},
	}
}

// body returns the message to encrypt.
func body() []byte {
	text := make([]byte, bodySize)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	return text
}

func allowed(response []byte) error {
	answer := new(allowlistv1.CheckUrlResponse)
	if err := proto.Unmarshal(response, answer); err != nil {
		return err
	}
	if !answer.GetAllowed() {
		return fmt.Errorf("the URL is not allowed: %v", answer.GetVerdict())
	}
	return nil
}

// encoded returns an encoded message, which is valid.
func encoded(m proto.Message) []byte {
	text, _ := proto.Marshal(m)
	return text
}

// Probe makes one call over gRPC, checks the response, and returns it.
func (c Case) Probe(ctx context.Context, address string) ([]byte, error) {
	conn, err := site.Dial(address, c.Caller.TLS, c.Caller.Token, grpc.ForceCodecV2(site.Raw{}))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	var response []byte
	if err := conn.Invoke(ctx, c.Method, c.Next(0), &response); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	if c.Check != nil {
		if err := c.Check(response); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return response, nil
}
