package endpoint

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
	"github.com/keyward/keyward/services/allowlist/internal/verify"
)

var errRecord = errors.New("malformed record")

func encode(record proto.Message) ([]byte, error) {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return value, nil
}

func decode(value []byte, record proto.Message) error {
	if err := proto.Unmarshal(value, record); err != nil {
		return errRecord // the cause could repeat the content
	}
	return nil
}

func (e Endpoint) record() *stored.Endpoint {
	r := &stored.Endpoint{
		Uid: e.UID, Revision: e.Revision, Change: e.change, State: storedState(e.State), StateReason: e.StateReason,
		Methods: e.Methods, Host: e.URL.host, Url: e.URL.text, UrlPublicReason: e.URLPublicReason,
		ContentType: e.ContentType, Headers: storedParameters(e.Headers), Query: storedParameters(e.Query),
		Encryption: e.Encryption.Stored, Operation: e.Operation, Lost: e.Lost, LostActive: e.LostActive, Verification: e.Verification.record(),
		DisplayName: e.DisplayName, Description: e.Description, Labels: e.Labels,
		Created: kv.Nanos(e.Created), Updated: kv.Nanos(e.Updated),
	}
	for _, v := range e.BodyValues {
		r.BodyValues = append(r.BodyValues, &stored.BodyValue{Path: v.Path, Credential: v.Credential.record()})
	}
	for _, reference := range e.References {
		r.References = append(r.References, reference.record())
	}
	r.ProtoReflect().SetUnknown(e.unknown)
	return r
}

func endpointOf(name Name, r *stored.Endpoint) Endpoint {
	e := Endpoint{
		Name: name, UID: r.GetUid(), Revision: r.GetRevision(), change: r.GetChange(), State: stateOf(r.GetState()), StateReason: r.GetStateReason(),
		Verification: verificationOf(r.GetVerification()), Operation: r.GetOperation(), Lost: r.GetLost(), LostActive: r.GetLostActive(),
		Created: kv.TimeOf(r.GetCreated()), Updated: kv.TimeOf(r.GetUpdated()), unknown: r.ProtoReflect().GetUnknown(),
		Settings: Settings{
			DisplayName: r.GetDisplayName(), Description: r.GetDescription(), Labels: r.GetLabels(), Methods: r.GetMethods(),
			URL: URL{host: r.GetHost(), text: r.GetUrl()}, URLPublicReason: r.GetUrlPublicReason(),
			Headers: parametersOf(r.GetHeaders()), Query: parametersOf(r.GetQuery()), ContentType: r.GetContentType(),
			Encryption: Encryption{Stored: r.GetEncryption()},
		},
	}
	for _, v := range r.GetBodyValues() {
		e.BodyValues = append(e.BodyValues, BodyValue{Path: v.GetPath(), Credential: credentialOf(v.GetCredential())})
	}
	for _, stored := range r.GetReferences() {
		reference := referenceOf(stored)
		e.References = append(e.References, reference)
		if !reference.credential() {
			e.Encryption.Needs = append(e.Encryption.Needs, reference.Need)
		}
	}
	return e
}

func storedState(s State) stored.State {
	switch s {
	case Pending:
		return stored.State_STATE_PENDING
	case Active:
		return stored.State_STATE_ACTIVE
	case Inactive:
		return stored.State_STATE_INACTIVE
	}
	return stored.State_STATE_UNSPECIFIED
}

// stateOf returns a state. An unknown one allows nothing.
func stateOf(s stored.State) State {
	switch s {
	case stored.State_STATE_PENDING:
		return Pending
	case stored.State_STATE_ACTIVE:
		return Active
	default:
		return Inactive
	}
}

func storedParameters(all []Parameter) (out []*stored.Parameter) {
	for _, p := range all {
		out = append(out, &stored.Parameter{Name: p.Name, Value: p.Value, Credential: p.Credential.record(), PublicReason: p.PublicReason})
	}
	return out
}

func parametersOf(all []*stored.Parameter) (out []Parameter) {
	for _, p := range all {
		out = append(out, Parameter{Name: p.GetName(), Value: p.GetValue(), Credential: credentialOf(p.GetCredential()), PublicReason: p.GetPublicReason()})
	}
	return out
}

func (c Credential) record() *stored.Credential {
	if c == (Credential{}) {
		return nil
	}
	return &stored.Credential{Secret: c.Secret, Version: c.Version}
}

func credentialOf(r *stored.Credential) Credential {
	return Credential{Secret: r.GetSecret(), Version: r.GetVersion()}
}

func (r Reference) record() *stored.Reference {
	return &stored.Reference{
		Secret: r.Secret, Version: r.Version, Host: r.Host, Port: uint32(r.Port), Parameter: r.Parameter, Exposed: r.Exposed,
		Chains: r.Chains, Cost: r.Cost, Conflicting: r.Conflicting, Partner: r.Partner,
		Uid: r.UID, VersionUid: r.VersionUID, Missing: r.Missing, Issue: r.Issue,
	}
}

func referenceOf(r *stored.Reference) Reference {
	return Reference{
		Need: Need{
			Secret: r.GetSecret(), Version: r.GetVersion(), Host: r.GetHost(), Port: uint16(r.GetPort()),
			Parameter: r.GetParameter(), Exposed: r.GetExposed(), Chains: r.GetChains(), Cost: r.GetCost(), Conflicting: r.GetConflicting(), Partner: r.GetPartner(),
			Issue: r.GetIssue(),
		},
		UID: r.GetUid(), VersionUID: r.GetVersionUid(), Missing: r.GetMissing(),
	}
}

func (v Verification) record() *stored.Verification {
	if v == (Verification{}) {
		return nil
	}
	return &stored.Verification{Method: v.Method, Actor: v.Actor, Time: kv.Nanos(v.Time), Period: int64(v.Period), Grace: kv.Nanos(v.Grace)}
}

func verificationOf(r *stored.Verification) Verification {
	return Verification{
		Method: r.GetMethod(), Actor: r.GetActor(), Time: kv.TimeOf(r.GetTime()), Period: verify.Period(r.GetPeriod()), Grace: kv.TimeOf(r.GetGrace()),
	}
}

func (i intent) record() *stored.Intent {
	return &stored.Intent{Endpoint: i.Endpoint, Secrets: i.Secrets, Time: kv.Nanos(i.Time)}
}

func decodeIntent(value []byte) (intent, error) {
	var r stored.Intent
	err := decode(value, &r)
	return intent{Endpoint: r.GetEndpoint(), Secrets: r.GetSecrets(), Time: kv.TimeOf(r.GetTime())}, err
}

func (u unbinding) record() *stored.Unbinding {
	return &stored.Unbinding{Secrets: u.Secrets, Rounds: uint32(u.Rounds), NotBefore: kv.Nanos(u.NotBefore)}
}

func decodeUnbinding(value []byte) (unbinding, error) {
	var r stored.Unbinding
	err := decode(value, &r)
	return unbinding{Secrets: r.GetSecrets(), Rounds: int(r.GetRounds()), NotBefore: kv.TimeOf(r.GetNotBefore())}, err
}

func (p proof) record() *stored.Proof {
	return &stored.Proof{Checked: kv.Nanos(p.Checked), Due: kv.Nanos(p.Due)}
}

func decodeProof(value []byte) (proof, error) {
	var r stored.Proof
	err := decode(value, &r)
	return proof{Checked: kv.TimeOf(r.GetChecked()), Due: kv.TimeOf(r.GetDue())}, err
}

func decodeTrial(value []byte) (trial, error) {
	var r stored.Trial
	err := decode(value, &r)
	return trial{Full: kv.TimeOf(r.GetFull())}, err
}

func decodeCleanup(value []byte) (usesCleanup, error) {
	var r stored.UsesCleanup
	err := decode(value, &r)
	return usesCleanup{Due: kv.TimeOf(r.GetDue()), Last: r.GetLast()}, err
}

// decodeDetail also decodes the JSON of earlier releases.
func decodeDetail(text []byte) (*stored.Detail, error) {
	var d stored.Detail
	if !bytes.HasPrefix(text, []byte("{")) {
		return &d, decode(text, &d)
	}
	if err := protojson.Unmarshal(text, &d); err != nil {
		return nil, errRecord
	}
	return &d, nil
}

func (d detail) record() *stored.Detail {
	return &stored.Detail{
		OldDescription: d.OldDescription, NewDescription: d.NewDescription, OldLabels: d.OldLabels, NewLabels: d.NewLabels,
		OldUrl: d.OldURL, NewUrl: d.NewURL, Secrets: d.Secrets,
	}
}
