//go:build torture

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// An endpointState is what callers see of an endpoint.
type endpointState struct {
	live        bool
	secret      string
	description string
	state       allowlistv1.Endpoint_State
	approved    bool
}

// tortured is an endpoint of the load.
type tortured struct {
	subject[endpointState]
	id string
}

// maxKeys is the maximum number of keys of an owner. Those beyond the first two are created during the load,
// so that a restored vault may lack them.
const maxKeys = 4

// An endpointOwner changes endpoints and the keys to which they refer.
type endpointOwner struct {
	owned
	keys      []*secret
	endpoints []*tortured
}

func newEndpointOwner(o owned) *endpointOwner {
	e := &endpointOwner{owned: o}
	for n := range 2 {
		e.keys = append(e.keys, newSecret(fmt.Sprintf("%s-key-%d", e.id, n), true))
		id := fmt.Sprintf("%s-%d", e.id, n)
		e.endpoints = append(e.endpoints, &tortured{subject: subject[endpointState]{name: demo + "/endpoints/" + id}, id: id})
	}
	return e
}

func (e *endpointOwner) createKeys(ctx context.Context) {
	for _, key := range e.keys {
		if !key.create(ctx, &e.owned) {
			e.s.t.Errorf("%s is not created", key.name)
		}
	}
}

func (e *endpointOwner) work(ctx context.Context) bool {
	key, endpoint := pick(e.rng, e.keys), pick(e.rng, e.endpoints)
	if endpoint.pending != nil || key.pending != nil {
		return false
	}
	dice := e.rng.IntN(100)
	switch {
	case !key.now.live:
		return key.create(ctx, &e.owned)
	case dice < 2 && len(e.keys) < maxKeys:
		e.keys = append(e.keys, newSecret(e.next()+"-key", true)) // no name is used twice
		return true
	case e.lost(endpoint) && dice < 50:
		return e.update(ctx, endpoint, key)
	case dice < 10:
		return key.update(ctx, &e.owned)
	case dice < 16:
		return key.changeVersion(ctx, &e.owned)
	case dice < 20:
		return e.saveBadly(ctx)
	case dice < 24:
		return e.deleteKey(ctx, key)
	case !endpoint.now.live:
		return e.create(ctx, endpoint, key)
	case endpoint.now.state != allowlistv1.Endpoint_STATE_ACTIVE && !e.lost(endpoint) && dice < 70:
		return e.activate(ctx, endpoint)
	case dice < 50 && endpoint.now.state == allowlistv1.Endpoint_STATE_ACTIVE:
		return e.exchange(ctx, endpoint)
	case dice < 56 && endpoint.now.state == allowlistv1.Endpoint_STATE_ACTIVE:
		return e.deactivate(ctx, endpoint)
	case dice < 64:
		return e.remove(ctx, endpoint)
	default:
		return e.update(ctx, endpoint, key)
	}
}

// lost reports whether an endpoint is off because a restored vault lacks its key.
func (e *endpointOwner) lost(x *tortured) bool {
	return x.now.live && !slices.ContainsFunc(e.keys, func(k *secret) bool { return k.name == x.now.secret })
}

// message returns an endpoint that refers to a secret.
func (*endpointOwner) message(name, secret, description string) *allowlistv1.Endpoint {
	m := refersTo(name, secret)
	m.Description = description
	m.GetEncryption().GetRequest().Envelope = &allowlistv1.Envelope{Body: &allowlistv1.Envelope_Json{Json: `{"data":"${data}"}`}}
	m.GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys()[0].Decoding = allowlistv1.Decoding_DECODING_HEX
	return m
}

func (e *endpointOwner) create(ctx context.Context, x *tortured, key *secret) bool {
	next := endpointState{live: true, secret: key.name, state: allowlistv1.Endpoint_STATE_PENDING}
	return apply(ctx, &e.owned, &x.subject, next, change{what: "CreateEndpoint", send: func(ctx context.Context, id string) error {
		_, err := e.s.owned.allowlist.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{Parent: demo, EndpointId: x.id, Endpoint: e.message("", key.name, ""), RequestId: id})
		return err
	}})
}

func (e *endpointOwner) update(ctx context.Context, x *tortured, key *secret) bool {
	next := x.now
	next.secret, next.description = key.name, e.next()
	return apply(ctx, &e.owned, &x.subject, next, change{what: "UpdateEndpoint", send: func(ctx context.Context, id string) error {
		_, err := e.s.owned.allowlist.UpdateEndpoint(ctx, &allowlistv1.UpdateEndpointRequest{Endpoint: e.message(x.name, next.secret, next.description), RequestId: id})
		return err
	}})
}

// activate approves an endpoint, or activates it if it is approved.
func (e *endpointOwner) activate(ctx context.Context, x *tortured) bool {
	next := x.now
	if !x.now.approved {
		next.approved = true
		return apply(ctx, &e.owned, &x.subject, next, change{what: "ApproveEndpoint", send: func(ctx context.Context, _ string) error {
			_, err := e.s.super.allowlist.ApproveEndpoint(ctx, &allowlistv1.ApproveEndpointRequest{Name: x.name})
			return err
		}})
	}
	next.state = allowlistv1.Endpoint_STATE_ACTIVE
	return apply(ctx, &e.owned, &x.subject, next, change{what: "ActivateEndpoint", send: func(ctx context.Context, _ string) error {
		_, err := e.s.owned.allowlist.ActivateEndpoint(ctx, &allowlistv1.ActivateEndpointRequest{Name: x.name})
		return err
	}})
}

func (e *endpointOwner) deactivate(ctx context.Context, x *tortured) bool {
	next := x.now
	next.state = allowlistv1.Endpoint_STATE_INACTIVE
	return apply(ctx, &e.owned, &x.subject, next, change{what: "DeactivateEndpoint", send: func(ctx context.Context, _ string) error {
		_, err := e.s.owned.allowlist.DeactivateEndpoint(ctx, &allowlistv1.DeactivateEndpointRequest{Name: x.name})
		return err
	}})
}

func (e *endpointOwner) remove(ctx context.Context, x *tortured) bool {
	return apply(ctx, &e.owned, &x.subject, endpointState{}, change{what: "DeleteEndpoint", send: func(ctx context.Context, id string) error {
		_, err := e.s.owned.allowlist.DeleteEndpoint(ctx, &allowlistv1.DeleteEndpointRequest{Name: x.name, RequestId: id})
		return err
	}})
}

// saveBadly saves an endpoint that refers to nothing, which must not leave anything behind.
func (e *endpointOwner) saveBadly(ctx context.Context) bool {
	message := e.message("", e.keys[0].name, "")
	keys := message.GetEncryption().GetRequest().GetCipher().GetSharedKey()
	keys.Keys = append(keys.Keys, &allowlistv1.SecretRef{Name: demo + "/secrets/missing", Decoding: allowlistv1.Decoding_DECODING_HEX})
	_, err := e.s.owned.allowlist.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{Parent: demo, EndpointId: "bad-" + e.id, Endpoint: message})
	if err == nil {
		e.s.t.Error("an endpoint that refers to a missing secret is saved")
	}
	return err == nil || status.Code(err) == codes.NotFound || status.Code(err) == codes.InvalidArgument
}

// deleteKey tries to delete a key to which an endpoint refers.
func (e *endpointOwner) deleteKey(ctx context.Context, key *secret) bool {
	if !slices.ContainsFunc(e.endpoints, func(x *tortured) bool { return x.pending == nil && x.now.live && x.now.secret == key.name }) {
		return false
	}
	_, err := e.s.owned.vault.DeleteSecret(ctx, &vaultv1.DeleteSecretRequest{Name: key.name})
	e.s.trace.add("DeleteSecret %s = %v", key.name, err)
	if err == nil {
		e.s.t.Errorf("%s is deleted although an endpoint refers to it", key.name)
	}
	return status.Code(err) == codes.FailedPrecondition
}

// exchange encrypts a message, which opens with the key of the partner, and decrypts it. A key that was
// just replaced may still be in use.
func (e *endpointOwner) exchange(ctx context.Context, x *tortured) bool {
	_, err := e.encrypt(ctx, x, 8)
	if err != nil && status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled && status.Code(err) != codes.DeadlineExceeded {
		e.s.t.Errorf("Encrypt(%s): %v", x.name, err)
	}
	return err == nil
}

// errOldKey means that a message was encrypted with another version than the current one.
var errOldKey = errors.New("the key is not the current one")

// encrypt returns which of the newest values of the key encrypted a message, after it was decrypted.
func (e *endpointOwner) encrypt(ctx context.Context, x *tortured, newest int) (version int, err error) {
	plain := e.next()
	sent, err := e.s.sender.Encrypt(ctx, &allowlistv1.EncryptRequest{Name: x.name, Body: []byte(plain)})
	if err != nil {
		return 0, err
	}
	key := e.keys[slices.IndexFunc(e.keys, func(k *secret) bool { return k.name == x.now.secret })]
	values := key.values
	for i := len(values) - 1; i >= max(0, len(values)-newest); i-- {
		if opened, err := openWith(values[i], sent.GetBody()); err == nil && opened == plain {
			got, err := e.s.sender.Decrypt(ctx, &allowlistv1.DecryptRequest{Name: x.name, Body: sent.GetBody()})
			if err != nil {
				return 0, err
			}
			if string(got.GetBody()) != plain {
				return 0, fmt.Errorf("Decrypt returns %q, want %q", got.GetBody(), plain)
			}
			return i + 1, nil
		}
	}
	return 0, errOldKey
}

// openWith decrypts a message with a key in hexadecimal, as the partner does.
func openWith(key string, message []byte) (string, error) {
	var envelope struct{ Data []byte }
	if err := json.Unmarshal(message, &envelope); err != nil {
		return "", err
	}
	return openSealed(key, envelope.Data)
}

// inspect compares the keys and endpoints with the model, and uses each active endpoint.
func (e *endpointOwner) inspect(ctx context.Context, _ int) {
	for _, key := range e.keys {
		seen, err := key.observe(ctx, &e.owned)
		if err != nil {
			e.s.t.Errorf("observe %s: %v", key.name, err)
			return
		}
		key.see(&e.owned, seen)
		key.values = key.values[:len(key.now.versions)]
	}
	for _, x := range e.endpoints {
		seen, err := e.observe(ctx, x)
		if err != nil {
			e.s.t.Errorf("observe %s: %v", x.name, err)
			return
		}
		x.see(&e.owned, seen)
		if e.lost(x) {
			e.inspectLost(ctx, x)
		}
		if x.now.state != allowlistv1.Endpoint_STATE_ACTIVE {
			continue
		}
		// The allowlist needs a moment to reach a vault that was restarted.
		err = within(ctx, 20*time.Second, func(ctx context.Context) error {
			_, err := e.encrypt(ctx, x, 1)
			return err
		})
		if err != nil {
			e.s.t.Errorf("use %s: %v", x.name, err)
		}
	}
}

// inspectLost checks that an endpoint whose key is gone says so, and refuses messages with a reason.
func (e *endpointOwner) inspectLost(ctx context.Context, x *tortured) {
	got, err := e.s.owned.allowlist.GetEndpoint(ctx, &allowlistv1.GetEndpointRequest{Name: x.name})
	if because := got.GetEndpoint().GetStateReason(); err != nil || !strings.Contains(because, "no longer exists") {
		e.s.t.Errorf("%s, whose key is gone, is off because %q, %v", x.name, because, err)
	}
	_, err = e.s.sender.Encrypt(ctx, &allowlistv1.EncryptRequest{Name: x.name, Body: []byte("lost")})
	if status.Code(err) != codes.FailedPrecondition || reasonOf(err) == "" {
		e.s.t.Errorf("Encrypt for %s, whose key is gone = %v, want FailedPrecondition with a reason", x.name, err)
	}
}

func (e *endpointOwner) observe(ctx context.Context, x *tortured) (seen endpointState, err error) {
	got, err := e.s.owned.allowlist.GetEndpoint(ctx, &allowlistv1.GetEndpointRequest{Name: x.name})
	if status.Code(err) == codes.NotFound {
		return seen, nil
	}
	if err != nil {
		return seen, err
	}
	endpoint := got.GetEndpoint()
	return endpointState{
		live: true, description: endpoint.GetDescription(), state: endpoint.GetState(),
		secret:   endpoint.GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys()[0].GetName(),
		approved: endpoint.GetVerification().GetMethod() != allowlistv1.Verification_METHOD_UNSPECIFIED,
	}, nil
}

// inspectBindings checks that each reference is bound, and if exactly, that nothing else is bound.
func (s *victims) inspectBindings(ctx context.Context, exactly bool) {
	want := s.references()
	err := within(ctx, 30*time.Second, func(ctx context.Context) error {
		bound, err := s.bindings(ctx)
		if err != nil {
			return err
		}
		for reference := range want {
			if bound[reference] == 0 {
				s.t.Errorf("the reference %s is not bound", reference)
			}
		}
		if exactly && !maps.Equal(bound, want) {
			return fmt.Errorf("bound are %v, want %v", bound, want)
		}
		return nil
	})
	if err != nil {
		s.t.Errorf("bindings: %v", err)
	}
}

// references returns the references of all endpoints that need a binding.
func (s *victims) references() map[string]int {
	found := make(map[string]int)
	for _, e := range s.savers {
		for _, x := range e.endpoints {
			if x.now.live && !e.lost(x) {
				found[x.now.secret+" "+x.name] = 1
			}
		}
	}
	return found
}

// bindings counts the bindings of each secret for each referrer.
func (s *victims) bindings(ctx context.Context) (map[string]int, error) {
	bound := make(map[string]int)
	for token := ""; ; {
		got, err := s.super.vault.ListSecretBindings(ctx, &vaultv1.ListSecretBindingsRequest{Parent: demo + "/secrets/-", PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, b := range got.GetBindings() {
			bound[b.GetSecret()+" "+b.GetReferrer()]++
		}
		if token = got.GetNextPageToken(); token == "" {
			return bound, nil
		}
	}
}

// inspectNames checks that there are no other secrets and endpoints than those of the model.
func (s *victims) inspectNames(ctx context.Context) {
	known := make(map[string]bool)
	for _, w := range s.writers {
		for _, x := range w.secrets {
			known[x.name] = x.now.live || x.now.deleted
		}
	}
	for _, e := range s.savers {
		for _, x := range e.endpoints {
			known[x.name] = x.now.live
		}
		for _, key := range e.keys {
			known[key.name] = key.now.live
		}
	}
	secrets, err := s.super.vault.ListSecrets(ctx, &vaultv1.ListSecretsRequest{Parent: demo, PageSize: 1000, ShowDeleted: true})
	if err != nil {
		s.t.Errorf("ListSecrets: %v", err)
	}
	endpoints, err := s.super.allowlist.ListEndpoints(ctx, &allowlistv1.ListEndpointsRequest{Parent: demo, PageSize: 1000})
	if err != nil {
		s.t.Errorf("ListEndpoints: %v", err)
	}
	var listed []string
	for _, x := range secrets.GetSecrets() {
		listed = append(listed, x.GetName())
	}
	for _, x := range endpoints.GetEndpoints() {
		listed = append(listed, x.GetName())
	}
	for _, name := range listed {
		if !known[name] {
			s.t.Errorf("%s is listed, and no one made it", name)
		}
		delete(known, name)
	}
	for name, exists := range known {
		if exists {
			s.t.Errorf("%s is not listed", name)
		}
	}
}
