// Package earlier reads the first stored form of the allowlist, in which records were JSON. Only an
// upgrade uses it.
//
//	endpoint/{workspace}/{id}  → Endpoint
//	intent/{operation}         → Intent
//	unbind/{operation}         → Unbinding
//	proof/{workspace}/{id}     → Proof
//	farewell/{uid}             → UsesCleanup
//	trial/{action}/{subject}   → Trial
//
// The other rows have the same form as today.
package earlier

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// format is the first byte of each record; JSON follows.
const format = 1

var errFormat = errors.New("unknown record format")

func decode(value []byte, record any) error {
	if len(value) == 0 || value[0] != format || json.Unmarshal(value[1:], record) != nil {
		return errFormat // the cause could repeat the content
	}
	return nil
}

// An Endpoint is the record of an endpoint.
type Endpoint struct {
	UID          string            `json:"uid"`
	Revision     uint64            `json:"revision"`
	DisplayName  string            `json:"display_name"`
	Description  string            `json:"description"`
	Labels       map[string]string `json:"labels"`
	Methods      []string          `json:"methods"`
	Host         string            `json:"host"`
	URL          string            `json:"url"`
	PublicReason string            `json:"url_public_reason"`
	Headers      []Parameter       `json:"headers"`
	Query        []Parameter       `json:"query"`
	ContentType  string            `json:"content_type"`
	Encryption   []byte            `json:"encryption"`
	BodyValues   []BodyValue       `json:"body_values"`
	State        string            `json:"state"`
	StateReason  string            `json:"state_reason"`
	Verification Verification      `json:"verification"`
	Operation    string            `json:"operation"`
	References   []Reference       `json:"references"`
	Lost         bool              `json:"lost"`
	Created      time.Time         `json:"created"`
	Updated      time.Time         `json:"updated"`
}

// A Parameter is a header or a query parameter.
type Parameter struct {
	Name         string     `json:"name"`
	Value        string     `json:"value"`
	Credential   Credential `json:"credential"`
	PublicReason string     `json:"public_reason"`
}

// A Credential refers to a secret that is sent unchanged.
type Credential struct {
	Secret  string `json:"secret"`
	Version uint32 `json:"version"`
}

// A BodyValue is a credential in bodies.
type BodyValue struct {
	Path       string     `json:"path"`
	Credential Credential `json:"credential"`
}

// A Verification says how an endpoint was verified.
type Verification struct {
	Method string    `json:"method"`
	Actor  string    `json:"actor"`
	Time   time.Time `json:"time"`
	Period int64     `json:"period"`
	Grace  time.Time `json:"grace"`
}

// A Reference is a secret as it was bound.
type Reference struct {
	Secret      string `json:"secret"`
	Version     uint32 `json:"version"`
	Host        string `json:"host"`
	Port        uint16 `json:"port"`
	Parameter   bool   `json:"parameter"`
	Exposed     bool   `json:"exposed"`
	Chains      string `json:"chains"`
	Cost        uint64 `json:"cost"`
	Conflicting bool   `json:"conflicting"`
	Partner     string `json:"partner"`
	UID         string `json:"uid"`
	VersionUID  string `json:"version_uid"`
	Missing     bool   `json:"gone"`
}

// An Intent is a save in progress.
type Intent struct {
	Endpoint string    `json:"endpoint"`
	Secrets  []string  `json:"secrets"`
	Time     time.Time `json:"time"`
}

// An Unbinding is the bindings of an operation that are no longer needed.
type Unbinding struct {
	Secrets   []string  `json:"secrets"`
	Rounds    uint32    `json:"rounds"`
	NotBefore time.Time `json:"not_before"`
}

// A Proof is when a proof was checked, and when it is to be checked again.
type Proof struct {
	Checked time.Time `json:"checked"`
	Due     time.Time `json:"due"`
}

// A Trial is the quota of a subject of trials.
type Trial struct {
	Full time.Time `json:"full"`
}

// A UsesCleanup is the uses of a deleted endpoint that are to be deleted.
type UsesCleanup struct {
	Due  time.Time `json:"due"`
	Last bool      `json:"last"`
}

// message returns the current form of the record, whose newest entry has a sequence number.
func (e Endpoint) message(change uint64) (*stored.Endpoint, error) {
	state, known := stored.State_value["STATE_"+e.State]
	if !known || state == 0 {
		return nil, errFormat
	}
	m := &stored.Endpoint{
		Uid: e.UID, Revision: e.Revision, Change: change, State: stored.State(state), StateReason: e.StateReason,
		Methods: e.Methods, Host: e.Host, Url: e.URL, UrlPublicReason: e.PublicReason, ContentType: e.ContentType,
		Headers: parameters(e.Headers), Query: parameters(e.Query), Encryption: e.Encryption,
		Operation: e.Operation, Lost: e.Lost, Verification: e.Verification.message(),
		DisplayName: e.DisplayName, Description: e.Description, Labels: e.Labels,
		Created: kv.Nanos(e.Created), Updated: kv.Nanos(e.Updated),
	}
	for _, v := range e.BodyValues {
		m.BodyValues = append(m.BodyValues, &stored.BodyValue{Path: v.Path, Credential: v.Credential.message()})
	}
	for _, r := range e.References {
		m.References = append(m.References, &stored.Reference{
			Secret: r.Secret, Version: r.Version, Host: r.Host, Port: uint32(r.Port), Parameter: r.Parameter, Exposed: r.Exposed,
			Chains: r.Chains, Cost: r.Cost, Conflicting: r.Conflicting, Partner: r.Partner,
			Uid: r.UID, VersionUid: r.VersionUID, Missing: r.Missing,
		})
	}
	return m, nil
}

func parameters(all []Parameter) (out []*stored.Parameter) {
	for _, p := range all {
		out = append(out, &stored.Parameter{Name: p.Name, Value: p.Value, Credential: p.Credential.message(), PublicReason: p.PublicReason})
	}
	return out
}

func (c Credential) message() *stored.Credential {
	if c == (Credential{}) {
		return nil
	}
	return &stored.Credential{Secret: c.Secret, Version: c.Version}
}

func (v Verification) message() *stored.Verification {
	if v == (Verification{}) {
		return nil
	}
	return &stored.Verification{Method: v.Method, Actor: v.Actor, Time: kv.Nanos(v.Time), Period: v.Period, Grace: kv.Nanos(v.Grace)}
}
