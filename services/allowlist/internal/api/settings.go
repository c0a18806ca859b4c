package api

import (
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// changeable returns the fields that people decide about.
func changeable() []string {
	return []string{
		endpoint.FieldDisplayName, endpoint.FieldDescription, endpoint.FieldLabels, endpoint.FieldMethods,
		endpoint.FieldURL, endpoint.FieldHeaders, endpoint.FieldQuery, endpoint.FieldContentType, endpoint.FieldEncryption,
		endpoint.FieldBodyValues,
	}
}

// A draft is the settings of a request, with what is wrong with them and where they refer
// to secrets. What is wrong may be left out of the settings; the rest is there, so that the
// registry can find out what is wrong with the secrets, too.
type draft struct {
	endpoint.Settings
	places endpoint.Places
	wrong  error
	// configuration is that of the encryption; nil: there is none.
	configuration *preset.Draft
}

// complete adds to who asks for a change what is known of the request.
func (d draft) complete(call endpoint.Call) endpoint.Call {
	call.Places, call.Wrong = d.places, d.wrong
	return call
}

// draftOf reads the given fields. All findings come at once.
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
				found[0] = fault.Field("endpoint.methods", "must name 1-8 methods")
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

// contentType refuses what could not stand in a header.
func contentType(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fault.Field("endpoint.content_type", "must be printable ASCII")
	}
	return nil
}
