package api

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// changeable returns the fields that people decide about.
func changeable() []string {
	return []string{
		endpoint.FieldDisplayName, endpoint.FieldDescription, endpoint.FieldLabels, endpoint.FieldMethods,
		endpoint.FieldURL, endpoint.FieldHeaders, endpoint.FieldQuery, endpoint.FieldContentType, endpoint.FieldEncryption,
		endpoint.FieldBodyValues,
	}
}

// changeFromProto reads the fields that a mask names.
func (s *Server) changeFromProto(pb *allowlistv1.Endpoint, mask *fieldmaskpb.FieldMask, workspace string) (endpoint.Change, error) {
	fields, err := resource.MaskedFields(pb, mask, changeable()...)
	if err != nil {
		return endpoint.Change{}, err
	}
	settings, err := s.settingsFromProto(pb, workspace, fields)
	return endpoint.Change{Fields: fields, Settings: settings, Etag: pb.GetEtag()}, err
}

// settingsFromProto reads the given fields. All findings come back at once.
func (s *Server) settingsFromProto(pb *allowlistv1.Endpoint, workspace string, fields []string) (endpoint.Settings, error) {
	e := endpoint.Settings{
		DisplayName: pb.GetDisplayName(), Description: pb.GetDescription(), Labels: pb.GetLabels(),
		Methods: pb.GetMethods(), ContentType: pb.GetContentType(),
	}
	var found [7]error
	for _, field := range fields {
		switch field {
		case endpoint.FieldMethods:
			if len(e.Methods) == 0 {
				found[0] = fault.Field("endpoint.methods", "must name 1-8 methods")
			}
		case endpoint.FieldURL:
			url, err := endpoint.ParseURL(pb.GetUrl())
			if e.URL = url; err != nil {
				found[1] = at("endpoint.url", err)
			}
		case endpoint.FieldHeaders:
			e.Headers, found[2] = parametersFromProto("endpoint.headers", pb.GetHeaders(), workspace)
		case endpoint.FieldQuery:
			e.Query, found[3] = parametersFromProto("endpoint.query_parameters", pb.GetQueryParameters(), workspace)
		case endpoint.FieldEncryption:
			e.Encryption, found[4] = s.encryptionFromProto(pb.GetEncryption(), workspace)
		case endpoint.FieldBodyValues:
			e.BodyValues, found[5] = bodyValuesFromProto(pb.GetBodyValues(), workspace)
		case endpoint.FieldContentType:
			found[6] = contentType(e.ContentType)
		}
	}
	return e, gravest(found[:]...)
}

// contentType refuses what could not stand in a header.
func contentType(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fault.Field("endpoint.content_type", "must be printable ASCII")
	}
	return nil
}

// gravest returns what several parsers found as one error: the gravest reason,
// with the violations of all. Key material in the wrong place goes before
// malformed fields, and these before what only needs to be acknowledged.
func gravest(errs ...error) error {
	var worst *fault.Error
	var violations []fault.Violation
	for _, err := range errs {
		f, ok := fault.From(err)
		if err != nil && !ok {
			return errors.Join(errs...)
		}
		if !ok {
			continue
		}
		violations = append(violations, f.Violations...)
		if worst == nil || gravity(f) > gravity(worst) {
			worst = f
		}
	}
	if worst == nil {
		return nil
	}
	all := *worst
	all.Violations = violations
	return &all
}

func gravity(f *fault.Error) int {
	switch f.Reason {
	case endpoint.ReasonDirectKey:
		return 2
	case fault.InvalidField:
		return 1
	default:
		return 0
	}
}
