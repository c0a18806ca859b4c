package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// format is the first byte of each value in the registry's key space; JSON follows.
const format = 1

// A record is the stored form of an endpoint. The name is in the key.
type record struct {
	UID          string            `json:"uid"`
	Revision     uint64            `json:"revision"`
	DisplayName  string            `json:"display_name,omitempty"`
	Description  string            `json:"description,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Methods      []string          `json:"methods"`
	Host         string            `json:"host"`
	URL          string            `json:"url"`
	PublicReason string            `json:"url_public_reason,omitempty"`
	Headers      []Parameter       `json:"headers,omitempty"`
	Query        []Parameter       `json:"query,omitempty"`
	ContentType  string            `json:"content_type,omitempty"`
	Encryption   []byte            `json:"encryption,omitempty"`
	BodyValues   []BodyValue       `json:"body_values,omitempty"`
	State        State             `json:"state"`
	StateReason  string            `json:"state_reason,omitempty"`
	Verification Verification      `json:"verification,omitzero"`
	Operation    string            `json:"operation,omitempty"`
	References   []Reference       `json:"references,omitempty"`
	Lost         bool              `json:"lost,omitempty"`
	Created      time.Time         `json:"created"`
	Updated      time.Time         `json:"updated"`
}

func (e Endpoint) record() record {
	return record{
		UID: e.UID, Revision: e.Revision, DisplayName: e.DisplayName, Description: e.Description,
		Labels: e.Labels, Methods: e.Methods, Host: e.URL.host, URL: e.URL.text, PublicReason: e.URLPublicReason, Headers: e.Headers,
		Query: e.Query, ContentType: e.ContentType, Encryption: e.Encryption.Stored,
		BodyValues: e.BodyValues, State: e.State,
		StateReason: e.StateReason, Verification: e.Verification, Operation: e.Operation,
		References: e.References, Lost: e.Lost, Created: e.Created, Updated: e.Updated,
	}
}

func (r record) endpoint(name Name) Endpoint {
	e := Endpoint{
		Name: name, UID: r.UID, Revision: r.Revision, State: r.State, StateReason: r.StateReason,
		Verification: r.Verification, Operation: r.Operation, References: r.References, Lost: r.Lost,
		Created: r.Created, Updated: r.Updated,
		Settings: Settings{
			DisplayName: r.DisplayName, Description: r.Description, Labels: r.Labels, Methods: r.Methods,
			URL: URL{host: r.Host, text: r.URL}, URLPublicReason: r.PublicReason, Headers: r.Headers, Query: r.Query, ContentType: r.ContentType,
			Encryption: Encryption{Stored: r.Encryption}, BodyValues: r.BodyValues,
		},
	}
	for _, reference := range r.References {
		if !reference.credential() {
			e.Encryption.Needs = append(e.Encryption.Needs, reference.Need)
		}
	}
	return e
}

// read returns the named endpoint, or ENDPOINT_NOT_FOUND.
func read(r kv.Reader, name Name) (Endpoint, error) {
	value, err := r.Get(endpointKey(name))
	if errors.Is(err, kv.ErrNotFound) {
		return Endpoint{}, notFound()
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("read endpoint: %w", err)
	}
	e, err := decodeEndpoint(name, value)
	if err != nil {
		return Endpoint{}, err
	}
	return e, addCheck(r, &e)
}

// find is like read, but returns nil if the endpoint does not exist.
func find(r kv.Reader, name Name) (*Endpoint, error) {
	e, err := read(r, name)
	if fault.Is(err, ReasonNotFound) {
		return nil, nil //nolint:nilnil // nil means that the endpoint does not exist
	}
	return &e, err
}

func decodeEndpoint(name Name, value []byte) (Endpoint, error) {
	var stored record
	if err := decode(value, &stored); err != nil {
		return Endpoint{}, fmt.Errorf("read endpoint: %w", err)
	}
	return stored.endpoint(name), nil
}

// write stores an endpoint, replacing its old state if that is not nil, and returns the bytes that
// the change log commits to.
func write(tx kv.Tx, old *Endpoint, e Endpoint) ([]byte, error) {
	value, err := encode(e.record())
	if err != nil {
		return nil, err
	}
	if old != nil {
		if err := tx.Delete(updateKey(old.Name, old.Updated)); err != nil {
			return nil, fmt.Errorf("write endpoint: %w", err)
		}
	}
	if err := tx.Put(updateKey(e.Name, e.Updated), nil); err != nil {
		return nil, fmt.Errorf("write endpoint: %w", err)
	}
	if err := tx.Put(endpointKey(e.Name), value); err != nil {
		return nil, fmt.Errorf("write endpoint: %w", err)
	}
	return value, nil
}

func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return append([]byte{format}, text...), nil
}

func decode(value []byte, v any) error {
	if len(value) == 0 || value[0] != format {
		return errors.New("unknown record format")
	}
	if err := json.Unmarshal(value[1:], v); err != nil {
		return fmt.Errorf("decode record: %w", err)
	}
	return nil
}
