package api

import (
	"fmt"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// hidden replaces a reference for callers who may not see secrets.
const hidden = "set"

// parametersFromProto parses headers or query parameters, and adds the places of their references.
func parametersFromProto(field string, pbs []*allowlistv1.Parameter, workspace string, places endpoint.Places) ([]endpoint.Parameter, error) {
	parameters := make([]endpoint.Parameter, 0, len(pbs))
	var found []error
	for i, pb := range pbs {
		at := fmt.Sprintf("%s[%d]", field, i)
		p := endpoint.Parameter{Name: pb.GetName(), Value: pb.GetValue(), PublicReason: pb.GetPublicReason()}
		var err error
		switch {
		case field == "endpoint.headers" && payload.ReservedHeader(pb.GetName()):
			err = fault.Field(at+".name", "must not be a header that frames the message or names its recipient")
		case pb.GetSecret() != nil:
			p.Credential, err = credentialFromProto(at+".secret", pb.GetSecret(), workspace, places)
		}
		parameters, found = append(parameters, p), append(found, err, publicReason(at, pb))
	}
	return parameters, violation.Merge(found...)
}

// bodyValuesFromProto parses body values, and adds the places of their references. It omits values
// whose reference is invalid.
func bodyValuesFromProto(pbs []*allowlistv1.BodyValue, workspace string, places endpoint.Places) ([]endpoint.BodyValue, error) {
	values := make([]endpoint.BodyValue, 0, len(pbs))
	paths := make([]string, 0, len(pbs))
	var found []error
	for i, pb := range pbs {
		credential, err := credentialFromProto(fmt.Sprintf("endpoint.body_values[%d].secret", i), pb.GetSecret(), workspace, places)
		if err == nil {
			values = append(values, endpoint.BodyValue{Path: pb.GetPath(), Credential: credential})
		}
		paths, found = append(paths, pb.GetPath()), append(found, err)
	}
	if _, err := payload.NewInsertion(paths); err != nil {
		found = append(found, inEndpoint(err))
	}
	return values, violation.Merge(found...)
}

// credentialFromProto parses a reference to a credential, and adds its place. Anything that is not
// the name of a secret is treated as the credential itself.
func credentialFromProto(field string, ref *allowlistv1.SecretRef, workspace string, places endpoint.Places) (endpoint.Credential, error) {
	in, _, ok := resource.Cut(ref.GetName(), "secrets")
	switch {
	case ref.GetName() == "":
		return endpoint.Credential{}, fault.Field(field+".name", "is required")
	case !ok:
		return endpoint.Credential{}, directKey(field+".name",
			"must be the name of a secret, workspaces/{workspace}/secrets/{secret}; store the credential in the vault and refer to it")
	case in != workspace:
		return endpoint.Credential{}, fault.Field(field+".name", "must be a secret of the endpoint's own workspace")
	case ref.GetDecoding() > allowlistv1.Decoding_DECODING_RAW:
		return endpoint.Credential{}, fault.Field(field+".decoding", "must be RAW, because a credential is sent as it is stored")
	}
	c := endpoint.Credential{Secret: ref.GetName(), Version: ref.GetVersion()}
	places.Credentials[c] = append(places.Credentials[c], field+".name")
	return c, nil
}

func directKey(field, description string) error {
	return fault.New(fault.InvalidArgument, violation.DirectKey, "key material is not allowed here; store it in the vault and refer to it").
		At(field, description)
}

func (v viewer) parametersToProto(parameters []endpoint.Parameter) []*allowlistv1.Parameter {
	pbs := make([]*allowlistv1.Parameter, 0, len(parameters))
	for _, p := range parameters {
		if p.Credential == (endpoint.Credential{}) {
			public := parameterToProto(p.Name, p.Value)
			if p.PublicReason != "" {
				public.PublicReason = &p.PublicReason
			}
			pbs = append(pbs, public)
			continue
		}
		pbs = append(pbs, &allowlistv1.Parameter{
			Name: p.Name, Source: &allowlistv1.Parameter_Secret{Secret: v.credentialToProto(p.Credential)},
		})
	}
	return pbs
}

func (v viewer) bodyValuesToProto(values []endpoint.BodyValue) []*allowlistv1.BodyValue {
	pbs := make([]*allowlistv1.BodyValue, 0, len(values))
	for _, value := range values {
		pbs = append(pbs, &allowlistv1.BodyValue{Path: value.Path, Secret: v.credentialToProto(value.Credential)})
	}
	return pbs
}

func (v viewer) credentialToProto(c endpoint.Credential) *allowlistv1.SecretRef {
	if !v.secrets {
		return &allowlistv1.SecretRef{Name: hidden, Version: c.Version}
	}
	return &allowlistv1.SecretRef{Name: c.Secret, Version: c.Version}
}
