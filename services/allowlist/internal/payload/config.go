package payload

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/compile"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
)

// redacted replaces a reference for callers who may not see secrets.
const redacted = "set"

// formatProto marks stored bytes as a serialized Encryption message.
const formatProto = 1

// A Direction is the direction of a message.
type Direction int

// The directions.
const (
	// Request is a message that expects an answer, regardless of its sender.
	Request Direction = iota
	// Response is a message that answers a request.
	Response
)

// A Config is a checked and compiled configuration.
type Config struct {
	compiled  *compile.Config
	pipelines [2]*Pipeline // indexed by Direction
	issuing   *Issuing
}

// newConfig returns a compiled configuration.
func newConfig(c *compile.Config) *Config {
	return &Config{compiled: c, pipelines: [2]*Pipeline{{plan: c.Plans[Request]}, {plan: c.Plans[Response]}}, issuing: newIssuing(c.Issued)}
}

// Parse checks and compiles the configuration of an endpoint at the time now. The workspace is an
// ID without the `workspaces/` prefix. Parse copies the message.
//
// It reports all violations at once as one [fault.Error] with the most severe reason of
// DIRECT_KEY_NOT_SUPPORTED, INVALID_FIELD, and LEGACY_NOT_ACKNOWLEDGED. Violations name fields
// starting at `encryption`.
//
// If there are violations, Parse also returns the configuration, but only for [Config.References]
// and [Config.CheckFacts], so that the caller can report problems with its secrets as well.
func Parse(pb *allowlistv1.Encryption, workspace string, now time.Time) (*Config, error) {
	f := &compile.Violations{Workspace: workspace, Now: now}
	config := newConfig(compile.Encryption(f, pb))
	if err := f.Fault(); err != nil {
		return config, err
	}
	return config, nil
}

// Variant is [Parse] for a variant of a stored configuration. It does not check literals, so that
// literals that were saved before this check existed continue to work. A signature may have any
// timestamp.
func Variant(pb *allowlistv1.Encryption, workspace string, now time.Time) (*Config, error) {
	f := &compile.Violations{Workspace: workspace, Now: now, Trusted: true}
	config := newConfig(compile.Encryption(f, pb))
	if err := f.Fault(); err != nil {
		return config, err
	}
	return config, nil
}

// Load compiles a configuration that [Config.Marshal] wrote. It does not check the time: an
// acknowledgement that has expired since fails when it is needed.
func Load(stored []byte) (*Config, error) {
	if len(stored) == 0 || stored[0] != formatProto {
		return nil, errors.New("load encryption: unknown format")
	}
	pb := new(allowlistv1.Encryption)
	if err := proto.Unmarshal(stored[1:], pb); err != nil {
		return nil, fmt.Errorf("load encryption: %w", err)
	}
	f := &compile.Violations{Stored: true}
	config := newConfig(compile.Encryption(f, pb))
	if err := f.Fault(); err != nil {
		// Not a fault: a bad stored value is not a mistake of the caller.
		return nil, fmt.Errorf("load encryption: %s", err.Reason)
	}
	return config, nil
}

// Marshal returns the configuration for [Load]: a format byte and the message.
func (c *Config) Marshal() ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{formatProto}, c.compiled.Proto)
	if err != nil {
		return nil, fmt.Errorf("marshal encryption: %w", err)
	}
	return b, nil
}

// Proto returns a copy of the original configuration.
func (c *Config) Proto() *allowlistv1.Encryption { return proto.CloneOf(c.compiled.Proto) }

// Redacted returns a copy in which each reference is replaced by `set`.
func (c *Config) Redacted() *allowlistv1.Encryption {
	pb := c.Proto()
	describe.EachReference(pb, func(_ string, ref *allowlistv1.SecretRef) { ref.Name = redacted })
	return pb
}

// Secrets returns the resource names of all secrets that the configuration refers to, without
// duplicates, in order.
func (c *Config) Secrets() []string {
	var names []string
	describe.EachReference(c.compiled.Proto, func(_ string, ref *allowlistv1.SecretRef) { names = append(names, ref.GetName()) })
	slices.Sort(names)
	return slices.Compact(names)
}

// References returns every reference of the configuration with the usage that its secret must
// have, each place once, in the order of the proto.
func (c *Config) References() []message.Reference {
	var refs []message.Reference
	describe.EachReference(c.compiled.Proto, func(path string, ref *allowlistv1.SecretRef) {
		made := message.Reference{
			Secret: ref.GetName(), Version: ref.GetVersion(), Usage: message.UsageAt(path), Field: strings.TrimPrefix(path, describe.Root+"."),
		}
		c.compiled.Purposed(&made)
		refs = append(refs, made)
	})
	return refs
}

// An UnsafeChoice is an unsafe choice that the configuration makes and acknowledges.
type UnsafeChoice struct {
	Flag        allowlistv1.LegacyAcknowledgement_Flag
	Expires     time.Time
	DecryptOnly bool
}

// Legacy returns the unsafe choices of the configuration, requests first.
func (c *Config) Legacy() []UnsafeChoice { return acknowledged(c.compiled.Proto) }

// acknowledged returns the unsafe choices that a configuration acknowledges.
func acknowledged(pb *allowlistv1.Encryption) []UnsafeChoice {
	var choices []UnsafeChoice
	for _, profile := range []*allowlistv1.Profile{pb.GetRequest(), pb.GetResponse()} {
		for _, ack := range profile.GetAllowLegacy() {
			choices = append(choices, UnsafeChoice{Flag: ack.GetFlag(), Expires: ack.GetExpireTime().AsTime(), DecryptOnly: ack.GetDecryptOnly()})
		}
	}
	return choices
}

// AcknowledgedUntil returns when the acknowledgements of a configuration that [Config.Marshal]
// wrote expire. It returns nothing if the configuration cannot be read. It does not compile the
// configuration.
func AcknowledgedUntil(stored []byte) []time.Time {
	pb := new(allowlistv1.Encryption)
	if len(stored) == 0 || stored[0] != formatProto || proto.Unmarshal(stored[1:], pb) != nil {
		return nil
	}
	var ends []time.Time
	for _, choice := range acknowledged(pb) {
		ends = append(ends, choice.Expires)
	}
	return ends
}

// defaultGrace is how long the previous version stays valid after a rotation, unless configured
// otherwise.
const defaultGrace = 24 * time.Hour

// Grace returns how long the previous version stays valid after a rotation.
func (c *Config) Grace() time.Duration {
	if c.compiled.Proto.GetRotationGrace() == nil {
		return defaultGrace
	}
	return c.compiled.Proto.GetRotationGrace().AsDuration()
}

// Pipeline returns the compiled form of one direction. A response that is not configured is
// protected like a request, but not signed.
func (c *Config) Pipeline(d Direction) *Pipeline { return c.pipelines[d] }

// Privileged returns the acknowledged flags that only a super admin may acknowledge, as errors
// name them.
func (c *Config) Privileged() string {
	var flags []allowlistv1.LegacyAcknowledgement_Flag
	for _, choice := range c.Legacy() {
		if slices.Contains(safety.OfSuperAdmins(), choice.Flag) {
			flags = append(flags, choice.Flag)
		}
	}
	return compile.FlagNames(flags)
}

// KeyPurposes returns the purposes of the KEY secrets of a configuration, keyed by secret name.
func (c *Config) KeyPurposes() map[string]purpose.Purpose { return maps.Clone(c.compiled.Purposes) }

// OnlySigns reports whether a KEY secret is only used for message signatures in this
// configuration. Because all configurations with the KEY have the same purpose, this then holds
// for all of them.
func (c *Config) OnlySigns(secret string) bool {
	rest := proto.CloneOf(c.compiled.Proto)
	for _, profile := range []*allowlistv1.Profile{rest.GetRequest(), rest.GetResponse()} {
		if profile != nil {
			profile.Signing = nil
		}
	}
	_, used := purpose.Of(rest)[secret]
	return !used
}
