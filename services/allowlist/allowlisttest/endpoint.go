package allowlisttest

import allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"

func Header(name, value string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Value{Value: value}}
}
