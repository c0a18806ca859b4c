package api

import (
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// changeable returns the fields that people can set.
func changeable() []string {
	return []string{
		endpoint.FieldDisplayName, endpoint.FieldDescription, endpoint.FieldLabels, endpoint.FieldMethods,
		endpoint.FieldURL, endpoint.FieldHeaders, endpoint.FieldQuery, endpoint.FieldContentType, endpoint.FieldEncryption,
		endpoint.FieldBodyValues,
	}
}

// A draft is the settings of a request, their violations, and the places of their references to
// secrets. Invalid settings may be omitted. The others are set, so that the registry can also
// check the secrets.
type draft struct {
	endpoint.Settings
	places endpoint.Places
	wrong  error
	// configuration is the configuration of the encryption, or nil without encryption.
	configuration *preset.Draft
}

// complete adds the results of the draft to the description of the change.
func (d draft) complete(call endpoint.Call) endpoint.Call {
	call.Places, call.Wrong = d.places, d.wrong
	return call
}

// draftOf parses the given fields. It reports all violations at once.
func (s *Server) draftOf(pb *allowlistv1.Endpoint, workspace string, fields []string) draft {
	d := draft{
		Settings: endpoint.Settings{
			DisplayName: pb.GetDisplayName(), Description: pb.GetDescription(), Labels: pb.GetLabels(),
			Methods: pb.GetMethods(), ContentType: pb.GetContentType(), URLPublicReason: pb.GetUrlPublicReason(),
		},
		places: endpoint.Places{Keys: make(map[endpoint.Need][]string), Credentials: make(map[endpoint.Credential][]string)},
	}
	var found [9]error
	for _, field := range fields {
		switch field {
		case endpoint.FieldMethods:
			if len(d.Methods) == 0 {
				found[0] = fault.Field("endpoint.methods", "must contain 1-8 methods")
			}
		case endpoint.FieldURL:
			url, err := endpoint.ParseURL(pb.GetUrl())
			if d.URL = url; err != nil {
				found[1] = at("endpoint.url", err)
			}
		case endpoint.FieldHeaders:
			d.Headers, found[2] = parametersFromProto("endpoint.headers", pb.GetHeaders(), workspace, d.places)
		case endpoint.FieldQuery:
			d.Query, found[3] = parametersFromProto("endpoint.query_parameters", pb.GetQueryParameters(), workspace, d.places)
		case endpoint.FieldEncryption:
			d.Encryption, d.configuration, found[4] = s.encryptionFromProto(pb.GetEncryption(), workspace, d.places)
		case endpoint.FieldBodyValues:
			d.BodyValues, found[5] = bodyValuesFromProto(pb.GetBodyValues(), workspace, d.places)
		case endpoint.FieldContentType:
			found[6] = contentType(d.ContentType)
		}
	}
	found[7], found[8] = literals(pb, fields), urlPublicReason(pb, fields)
	d.wrong = violation.Merge(found[:]...)
	return d
}

// contentType refuses characters that are not allowed in a header.
func contentType(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fault.Field("endpoint.content_type", "must be printable ASCII")
	}
	return nil
}
