package endpoint

import (
	"bytes"
	"maps"
	"slices"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/resource"
)

// The fields of an endpoint that can be changed, as update masks and the change log name them.
const (
	FieldDisplayName = "display_name"
	FieldDescription = "description"
	FieldLabels      = "labels"
	FieldMethods     = "methods"
	FieldURL         = "url"
	FieldHeaders     = "headers"
	FieldQuery       = "query_parameters"
	FieldContentType = "content_type"
	FieldEncryption  = "encryption"
	FieldBodyValues  = "body_values"
)

// The actions on the change log.
const (
	ActionCreated     = "created"
	ActionUpdated     = "updated"
	ActionDeleted     = "deleted"
	ActionApproved    = "approved"
	ActionActivated   = "activated"
	ActionDeactivated = "deactivated"
	ActionVerified    = "verified"
	ActionDegraded    = "degraded"
	ActionRecovered   = "recovered"
	ActionTested      = "tested"
	ActionDiagnosed   = "diagnosed"
	ActionReported    = "purposes_reported"
)

// A Change is an update: the fields to change and their new values.
type Change struct {
	// Fields are the names of the fields to take from Settings.
	Fields   []string
	Settings Settings
	// LabelKeys, if not empty, are the labels to take from Settings. The others do not change.
	LabelKeys []string
	// Etag, if not empty, must be the current one.
	Etag string
}

// maxLabels is the maximum number of labels, as in the contract.
const maxLabels = 64

// apply returns the endpoint after the change.
func (c Change) apply(before Endpoint) Endpoint {
	e := before
	for _, field := range c.Fields {
		switch field {
		case FieldDisplayName:
			e.DisplayName = c.Settings.DisplayName
		case FieldDescription:
			e.Description = c.Settings.Description
		case FieldLabels:
			e.Labels = resource.MergeKeys(before.Labels, c.Settings.Labels, c.LabelKeys)
		case FieldMethods:
			e.Methods = c.Settings.Methods
		case FieldURL:
			e = e.moved(c.Settings.URL)
			e.URLPublicReason = c.Settings.URLPublicReason
		case FieldHeaders:
			e.Headers = c.Settings.Headers
		case FieldQuery:
			e.Query = c.Settings.Query
		case FieldContentType:
			e.ContentType = c.Settings.ContentType
		case FieldEncryption:
			e.Encryption = c.Settings.Encryption
		case FieldBodyValues:
			e.BodyValues = c.Settings.BodyValues
		}
	}
	return e.rebound(before, c.refers())
}

// moved returns the endpoint with a URL. A new URL is unverified, unless the proof covers the
// whole host.
func (e Endpoint) moved(to URL) Endpoint {
	if to == (URL{}) || e.Verification.covers(e.URL, to) { // a save without one is refused
		e.URL = to
		return e
	}
	e.URL, e.Verification, e.State = to, Verification{}, Pending
	e.StateReason = "the URL changed; it needs to be verified again"
	return e
}

// refers reports whether the change saves references.
func (c Change) refers() bool {
	saved := func(field string, refers bool) bool { return refers && slices.Contains(c.Fields, field) }
	return saved(FieldEncryption, true) || saved(FieldBodyValues, true) ||
		saved(FieldHeaders, refersTo(c.Settings.Headers)) || saved(FieldQuery, refersTo(c.Settings.Query))
}

// Referring returns the fields that refer to secrets.
func (e Endpoint) Referring() (fields []string) {
	for field, refers := range map[string]bool{
		FieldEncryption: e.Encryption.Configured(), FieldBodyValues: len(e.BodyValues) > 0,
		FieldHeaders: refersTo(e.Headers), FieldQuery: refersTo(e.Query),
	} {
		if refers {
			fields = append(fields, field)
		}
	}
	return fields
}

// rebound returns the endpoint, changed from its state before. If its secrets must be bound again,
// its operation is empty. They must be unless it refers to the same secrets for the same uses, and
// also if one was lost and references are saved again.
func (e Endpoint) rebound(before Endpoint, again bool) Endpoint {
	mends := again && before.Lost
	if !mends && bytes.Equal(e.Encryption.Stored, before.Encryption.Stored) && slices.Equal(e.needs(), before.needs()) {
		return e
	}
	if e.Lost && e.State == Inactive {
		e.StateReason = "its secrets were bound again; activate the endpoint to use it"
	}
	e.Operation, e.References, e.Lost, e.LostActive = "", nil, false, false
	return e
}

// detail is the part of a change that the change log keeps in addition to the names of fields.
type detail struct {
	OldDescription string
	NewDescription string
	OldLabels      map[string]string
	NewLabels      map[string]string
	OldURL         string
	NewURL         string
	Secrets        []string
}

// difference returns the names of the fields in which two states of an endpoint differ, and the
// detail for the change log.
func difference(old, e Endpoint) ([]string, detail) {
	var fields []string
	var d detail
	differs := func(field string, yes bool) bool {
		if yes {
			fields = append(fields, field)
		}
		return yes
	}
	differs(FieldDisplayName, old.DisplayName != e.DisplayName)
	if differs(FieldDescription, old.Description != e.Description) {
		d.OldDescription, d.NewDescription = old.Description, e.Description
	}
	if differs(FieldLabels, !maps.Equal(old.Labels, e.Labels)) {
		d.OldLabels, d.NewLabels = old.Labels, e.Labels
	}
	differs(FieldMethods, !slices.Equal(old.Methods, e.Methods))
	if differs(FieldURL, old.URL != e.URL || old.URLPublicReason != e.URLPublicReason) {
		d.OldURL, d.NewURL = old.URL.String(), e.URL.String()
	}
	differs(FieldHeaders, !slices.Equal(old.Headers, e.Headers))
	differs(FieldQuery, !slices.Equal(old.Query, e.Query))
	differs(FieldContentType, old.ContentType != e.ContentType)
	differs(FieldEncryption, !bytes.Equal(old.Encryption.Stored, e.Encryption.Stored))
	differs(FieldBodyValues, !slices.Equal(old.BodyValues, e.BodyValues))
	if old.Operation != e.Operation {
		d.Secrets = secretsOf(e.needs())
	}
	differs("state", old.State != e.State)
	differs("state_reason", old.StateReason != e.StateReason || old.Lost != e.Lost || old.LostActive != e.LostActive)
	differs("verification", old.Verification != e.Verification)
	return fields, d
}

// entry describes a change for the log. A creation and a deletion name no fields.
func entry(action string, old, e Endpoint, author changelog.Author) (changelog.Entry, error) {
	fields, d := difference(old, e)
	if action == ActionCreated || action == ActionDeleted {
		fields = nil
	}
	text, err := encode(d.record())
	if err != nil {
		return changelog.Entry{}, err
	}
	name := e.Name
	if action == ActionDeleted {
		name = old.Name
	}
	return changelog.Entry{
		Time: e.Updated, Actor: author.Actor, Action: action, Scope: name.Parent(), Resource: name.String(),
		UID: e.UID, Fields: fields, Detail: text, Reason: author.Reason, RequestID: author.RequestID,
	}, nil
}
