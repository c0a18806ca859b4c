// Package proto holds the contract of Keyward: the protos, what is generated from
// them, and the OpenAPI document of the JSON front door.
package proto

import _ "embed"

// OpenAPI is the OpenAPI 2.0 document of the JSON front door.
//
//go:embed gen/openapi/keyward.swagger.json
var OpenAPI []byte
