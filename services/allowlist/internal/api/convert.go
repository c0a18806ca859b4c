package api

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/page"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const roleOwner = accessv1.Role_ROLE_OWNER

// A viewer converts endpoints to the form that a caller may see.
type viewer struct {
	// secrets reports whether the caller may see the names of secrets.
	secrets bool
}

// endpointsToProto converts the endpoints of a list, without warnings.
func (v viewer) endpointsToProto(endpoints []endpoint.Endpoint) ([]*allowlistv1.Endpoint, error) {
	pbs := make([]*allowlistv1.Endpoint, 0, len(endpoints))
	for _, e := range endpoints {
		pb, _, err := v.configured(e)
		if err != nil {
			return nil, err
		}
		pbs = append(pbs, pb)
	}
	return pbs, nil
}

func (v viewer) endpointToProto(e endpoint.Endpoint) (*allowlistv1.Endpoint, error) {
	pb, config, err := v.configured(e)
	if err != nil || config == nil {
		return pb, err
	}
	for _, w := range config.Warnings(payload.IsJSON(e.ContentType)) {
		pb.Warnings = append(pb.Warnings, &allowlistv1.Warning{Field: w.Field, Description: w.Description})
	}
	return pb, nil
}

// configured converts everything except the warnings. The configuration is nil if the endpoint has
// no encryption.
func (v viewer) configured(e endpoint.Endpoint) (*allowlistv1.Endpoint, *payload.Config, error) {
	config, err := configOf(e.Encryption)
	if err != nil {
		return nil, nil, err
	}
	pb := v.bareToProto(e)
	switch {
	case config == nil:
	case v.secrets:
		pb.Encryption = config.Proto()
	default:
		pb.Encryption = config.Redacted()
	}
	return pb, config, nil
}

// configOf returns the compiled configuration, or nil.
func configOf(e endpoint.Encryption) (*payload.Config, error) {
	if !e.Configured() {
		return nil, nil //nolint:nilnil // without encryption there is no configuration
	}
	return payload.Load(e.Stored)
}

// bareToProto converts everything except the encryption.
func (v viewer) bareToProto(e endpoint.Endpoint) *allowlistv1.Endpoint {
	return &allowlistv1.Endpoint{
		Name: e.Name.String(), Uid: e.UID, DisplayName: e.DisplayName, Description: e.Description,
		Labels: e.Labels, Methods: e.Methods, Url: e.URL.String(), UrlPublicReason: e.URLPublicReason, Headers: v.parametersToProto(e.Headers),
		QueryParameters: v.parametersToProto(e.Query), ContentType: e.ContentType, BodyValues: v.bodyValuesToProto(e.BodyValues),
		State: stateToProto(e.State), StateReason: e.StateReason, Verification: verificationToProto(e),
		CreateTime: timestamppb.New(e.Created), UpdateTime: timestamppb.New(e.Updated), Etag: e.Etag(),
	}
}

// purposesToProto returns the purposes of a configuration's keys, ordered by the names of their
// secrets.
func purposesToProto(config *payload.Config) []*allowlistv1.KeyPurpose {
	purposes := config.KeyPurposes()
	pbs := make([]*allowlistv1.KeyPurpose, 0, len(purposes))
	for _, secret := range slices.Sorted(maps.Keys(purposes)) {
		pbs = append(pbs, &allowlistv1.KeyPurpose{Secret: secret, Chains: purposes[secret].List()})
	}
	return pbs
}

func headersToProto(headers []payload.Header) []*allowlistv1.Parameter {
	pbs := make([]*allowlistv1.Parameter, 0, len(headers))
	for _, h := range headers {
		pbs = append(pbs, parameterToProto(h.Name, h.Value))
	}
	return pbs
}

func parameterToProto(name, value string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Value{Value: value}}
}

func stateToProto(s endpoint.State) allowlistv1.Endpoint_State {
	return allowlistv1.Endpoint_State(allowlistv1.Endpoint_State_value["STATE_"+string(s)])
}

// stateFromProto returns the empty state for the unspecified state.
func stateFromProto(s allowlistv1.Endpoint_State) endpoint.State {
	switch s {
	case allowlistv1.Endpoint_STATE_PENDING:
		return endpoint.Pending
	case allowlistv1.Endpoint_STATE_ACTIVE:
		return endpoint.Active
	case allowlistv1.Endpoint_STATE_INACTIVE:
		return endpoint.Inactive
	default:
		return ""
	}
}

func directionFromProto(kind allowlistv1.MessageKind, otherwise payload.Direction) payload.Direction {
	switch kind {
	case allowlistv1.MessageKind_MESSAGE_KIND_REQUEST:
		return payload.Request
	case allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE:
		return payload.Response
	default:
		return otherwise
	}
}

func queryFromProto(workspace string, req *allowlistv1.ListEndpointsRequest, cursor []byte) endpoint.Query {
	order, _, descending := strings.Cut(req.GetOrderBy(), " ")
	label, value, exact := strings.Cut(req.GetLabel(), "=")
	var legacyBefore time.Time
	if before := req.GetLegacyExpiresBefore(); before != nil {
		legacyBefore = before.AsTime()
	}
	return endpoint.Query{
		Workspace: workspace, LegacyBefore: legacyBefore, Substring: req.GetQuery(), ByUpdate: order == "update_time", Descending: descending,
		State: stateFromProto(req.GetState()), Label: label, LabelValue: value, AnyValue: !exact,
		Cursor: cursor, Limit: page.Size(req.GetPageSize()),
	}
}

// sequenceOf parses the cursor of a history; nil means the start.
func sequenceOf(cursor []byte) *uint64 {
	if len(cursor) != 8 {
		return nil
	}
	sequence := binary.BigEndian.Uint64(cursor)
	return &sequence
}

// cursorBehind returns the cursor of the page after this one, if there is one.
func cursorBehind(history []endpoint.LogEntry, more bool) []byte {
	if !more || len(history) == 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, history[len(history)-1].Sequence)
}

func historyToProto(history []endpoint.LogEntry) []*allowlistv1.EndpointChange {
	pbs := make([]*allowlistv1.EndpointChange, 0, len(history))
	for _, e := range history {
		pbs = append(pbs, &allowlistv1.EndpointChange{
			Sequence: e.Sequence, Time: timestamppb.New(e.Time), Actor: actorToProto(e.Actor),
			Action: actionToProto(e.Action), Endpoint: e.Resource, Uid: e.UID, ChangedFields: e.Fields,
			OldDescription: e.OldDescription, NewDescription: e.NewDescription,
			OldLabels: e.OldLabels, NewLabels: e.NewLabels, OldUrl: e.OldURL, NewUrl: e.NewURL,
			Secrets: e.Secrets, Reason: e.Reason, RequestId: e.RequestID,
		})
	}
	return pbs
}

func actorToProto(a changelog.Actor) *allowlistv1.Actor {
	return &allowlistv1.Actor{Subject: a.Subject, Roles: a.Roles, Authentication: a.Authentication, Address: a.Address}
}

func actionToProto(action string) allowlistv1.EndpointChange_Action {
	return allowlistv1.EndpointChange_Action(allowlistv1.EndpointChange_Action_value["ACTION_"+strings.ToUpper(action)])
}
