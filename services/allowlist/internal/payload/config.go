package payload

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// redacted stands in the place of a reference for callers who may not see secrets.
const redacted = "set"

// formatProto marks stored bytes as a serialized Encryption message.
const formatProto = 1

// A Direction is the kind of a message.
type Direction int

// The directions.
const (
	// Request is a message that asks, whoever sends it.
	Request Direction = iota
	// Response is a message that answers.
	Response
)

// A Config is a checked and compiled configuration.
type Config struct {
	pb        *allowlistv1.Encryption
	pipelines [2]*Pipeline // by Direction
	purposes  purposes
	exposed   map[string]bool
}

// Parse checks and compiles the configuration of an endpoint in the workspace, an
// id without the `workspaces/` in front, as of now. All findings come back at once as one
// [fault.Error], under the gravest reason of DIRECT_KEY_NOT_SUPPORTED, INVALID_FIELD and
// LEGACY_NOT_ACKNOWLEDGED; violations name fields from `encryption` on. The message is
// copied.
//
// Beside findings the configuration is returned as well, for [Config.References] and
// [Config.CheckFacts] only: so that what its secrets have against it can be told along.
func Parse(pb *allowlistv1.Encryption, workspace string, now time.Time) (*Config, error) {
	f := &findings{workspace: workspace, now: now}
	config := compile(f, pb)
	if err := f.fault(); err != nil {
		return config, err
	}
	return config, nil
}

// Variant is [Parse] for a variant of a configuration that is stored. Its literals are not
// looked at again: those that were saved before there was such a look work on. A signature may
// be of any time.
func Variant(pb *allowlistv1.Encryption, workspace string, now time.Time) (*Config, error) {
	f := &findings{workspace: workspace, now: now, trusted: true}
	config := compile(f, pb)
	if err := f.fault(); err != nil {
		return config, err
	}
	return config, nil
}

// Load compiles a configuration that [Config.Marshal] wrote. It does not look at
// the time: an acknowledgement that has expired since shows when it is needed.
func Load(stored []byte) (*Config, error) {
	if len(stored) == 0 || stored[0] != formatProto {
		return nil, errors.New("load encryption: unknown format")
	}
	pb := new(allowlistv1.Encryption)
	if err := proto.Unmarshal(stored[1:], pb); err != nil {
		return nil, fmt.Errorf("load encryption: %w", err)
	}
	f := &findings{stored: true}
	config := compile(f, pb)
	if err := f.fault(); err != nil {
		// Not a fault: what the store holds is no mistake of the caller.
		return nil, fmt.Errorf("load encryption: %s", err.Reason)
	}
	return config, nil
}

// Marshal returns the configuration for [Load]: a format byte and the message.
func (c *Config) Marshal() ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{formatProto}, c.pb)
	if err != nil {
		return nil, fmt.Errorf("marshal encryption: %w", err)
	}
	return b, nil
}

// Proto returns a copy of the configuration as it was given.
func (c *Config) Proto() *allowlistv1.Encryption { return proto.CloneOf(c.pb) }

// Redacted returns a copy in which each reference reads `set`.
func (c *Config) Redacted() *allowlistv1.Encryption {
	pb := c.Proto()
	EachReference(pb, func(_ string, ref *allowlistv1.SecretRef) { ref.Name = redacted })
	return pb
}

// Secrets returns the resource names of all secrets that the configuration
// refers to, each once, in order.
func (c *Config) Secrets() []string {
	var names []string
	EachReference(c.pb, func(_ string, ref *allowlistv1.SecretRef) { names = append(names, ref.GetName()) })
	slices.Sort(names)
	return slices.Compact(names)
}

// References returns every reference of the configuration with the usage that its
// secret must have, each place once, in the order of the proto.
func (c *Config) References() []Reference {
	var refs []Reference
	EachReference(c.pb, func(path string, ref *allowlistv1.SecretRef) {
		made := newSource(path, ref).Reference
		c.purposed(&made)
		refs = append(refs, made)
	})
	return refs
}

// A LegacyUse is an unsafe choice that the configuration makes and acknowledges.
type LegacyUse struct {
	Flag        allowlistv1.LegacyAcknowledgement_Flag
	Expires     time.Time
	DecryptOnly bool
}

// Legacy returns the unsafe choices of the configuration, those of requests first.
func (c *Config) Legacy() []LegacyUse {
	var uses []LegacyUse
	for _, profile := range []*allowlistv1.Profile{c.pb.GetRequest(), c.pb.GetResponse()} {
		for _, ack := range profile.GetAllowLegacy() {
			uses = append(uses, LegacyUse{Flag: ack.GetFlag(), Expires: ack.GetExpireTime().AsTime(), DecryptOnly: ack.GetDecryptOnly()})
		}
	}
	return uses
}

// AcknowledgedUntil returns when the acknowledgements end of a configuration that
// [Config.Marshal] wrote; none where it cannot be read. It does not compile it.
func AcknowledgedUntil(stored []byte) []time.Time {
	c := &Config{pb: new(allowlistv1.Encryption)}
	if len(stored) == 0 || stored[0] != formatProto || proto.Unmarshal(stored[1:], c.pb) != nil {
		return nil
	}
	var ends []time.Time
	for _, legacy := range c.Legacy() {
		ends = append(ends, legacy.Expires)
	}
	return ends
}

// For how long after a rotation the version before is good.
const (
	defaultGrace = 24 * time.Hour
	maxGrace     = 30 * 24 * time.Hour
)

// Grace returns for how long after a rotation the version before is good.
func (c *Config) Grace() time.Duration {
	if c.pb.GetRotationGrace() == nil {
		return defaultGrace
	}
	return c.pb.GetRotationGrace().AsDuration()
}

// Pipeline returns the compiled form of one direction. A response that is not
// configured is protected as requests are, without the signing.
func (c *Config) Pipeline(d Direction) *Pipeline { return c.pipelines[d] }
