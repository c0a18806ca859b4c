package payload

import allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"

// A located reference knows where in the configuration it stands.
type located struct {
	field string
	ref   *allowlistv1.SecretRef
}

func references(pb *allowlistv1.Encryption) []located { return nil }

func compile(f *findings, pb *allowlistv1.Encryption) *Config {
	return &Config{pb: pb, pipelines: [2]*Pipeline{{}, {}}}
}
