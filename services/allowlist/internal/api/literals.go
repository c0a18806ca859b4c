package api

import (
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/literal"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

const fieldURLPublicReason = "url_public_reason"

// literals refuses secrets among the literals of the given fields. Literals of the encryption are
// checked when it is compiled, with its preset expanded.
func literals(pb *allowlistv1.Endpoint, fields []string) error {
	checked := slices.DeleteFunc(slices.Clone(fields), func(field string) bool { return field == endpoint.FieldEncryption })
	if slices.Contains(fields, endpoint.FieldURL) {
		checked = append(checked, fieldURLPublicReason)
	}
	var found []error
	for _, f := range literal.Fields("endpoint", pb, checked) {
		if f.Field == "endpoint.url" && f.Kind.Public() && pb.GetUrlPublicReason() != "" {
			continue
		}
		found = append(found, directKey(f.Field, f.Kind.Description()))
	}
	return violation.Merge(found...)
}

// publicReason refuses a reason if there is nothing to acknowledge.
func publicReason(at string, pb *allowlistv1.Parameter) error {
	if pb.GetPublicReason() != "" && literal.Parameter(pb.GetName(), pb.GetValue()) == literal.None {
		return fault.Field(at+".public_reason", "must be unset: the value needs no acknowledgement")
	}
	return nil
}

// urlPublicReason does the same for the URL, and also refuses a reason without a new URL.
func urlPublicReason(pb *allowlistv1.Endpoint, fields []string) error {
	needed := slices.Contains(fields, endpoint.FieldURL) && literal.Text(pb.GetUrl()) != literal.None
	if pb.GetUrlPublicReason() != "" && !needed {
		return fault.Field("endpoint."+fieldURLPublicReason, "must be unset unless the saved URL needs an acknowledgement")
	}
	return nil
}

// prose refuses a secret in an ID or in the reason of a request, which is logged.
func prose(field, text string) error {
	if kind := literal.Prose(text); kind != literal.None {
		return directKey(field, kind.Description())
	}
	return nil
}
