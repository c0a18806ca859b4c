// Package earlier reads the first stored form of the vault, in which records were JSON. Only the
// upgrade imports it.
//
// [Check] compares each secret with its entries in the log, which state digests of the records.
// [Convert] yields each secret in the current form, with an entry for the log.
//
// # Key space
//
//	secret/{workspace}/{id}               → Secret
//	version/{uid}/{number}                → Version
//	value/{uid}/{number}                  → keyring.Sealed
//	binding/{uid}/{holder}/{operation}    → Binding
//	uses/{uid}/{number}                   → Uses
//	purpose/{uid}                         → how a KEY was used before purposes were recorded
//	equal/{workspace}/{fingerprint}/{uid} → Printed, or an ID
//	print/{uid}/{fingerprint}             → the number of the first version with a value
//	sealing/{workspace}                   → Sealing
//
// The other spaces (by-update, referrer, referrers, host, named, and garbage) follow from these.
package earlier

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// format is the first byte of every record; the rest is JSON.
const format = 1

var errFormat = errors.New("unknown record format")

// A Secret is the record of a secret.
type Secret struct {
	UID            string            `json:"uid"`
	Revision       uint64            `json:"revision"`
	Description    string            `json:"description"`
	Labels         map[string]string `json:"labels"`
	Usage          string            `json:"usage"`
	AllowedHosts   []string          `json:"allowed_hosts"`
	Ports          bool              `json:"ports"`
	UsedPorts      []string          `json:"used_ports"`
	EarlierHosts   []string          `json:"earlier_hosts"`
	Current        uint32            `json:"current"`
	Last           uint32            `json:"last"`
	State          string            `json:"state"`
	Created        time.Time         `json:"created"`
	Updated        time.Time         `json:"updated"`
	Replaced       []Replacement     `json:"replaced"`
	RotationPeriod time.Duration     `json:"rotation_period"`
	RotationDue    time.Time         `json:"rotation_due"`
	Purpose        *Purpose          `json:"purpose"`
	Shared         bool              `json:"shared"`
	Kind           int               `json:"kind"`
	Public         bool              `json:"public"`
}

// A Replacement is a version that was current before.
type Replacement struct {
	Version uint32    `json:"version"`
	Time    time.Time `json:"time"`
}

// A Purpose is the purpose of a KEY.
type Purpose struct {
	Chains      []string  `json:"chains"`
	Cost        uint64    `json:"cost"`
	Host        string    `json:"host"`
	Conflicting bool      `json:"conflicting"`
	Stated      bool      `json:"stated"`
	Sealed      time.Time `json:"sealed"`
}

// A Version is the record of a version.
type Version struct {
	State        string    `json:"state"`
	Created      time.Time `json:"created"`
	Public       []byte    `json:"public"`
	Facts        *Facts    `json:"facts"`
	Nonces       *Nonces   `json:"nonces"`
	SameAs       uint32    `json:"same_as"`
	AllowedHosts []string  `json:"allowed_hosts"`
	Ports        bool      `json:"ports"`
	WeakReason   string    `json:"weak_reason"`
}

// Facts is the metadata of a KEY.
type Facts struct {
	Bytes   uint32 `json:"bytes"`
	Private bool   `json:"private"`
}

// Nonces is the ledger of a version.
type Nonces struct {
	Used  uint64    `json:"used"`
	Bits  int       `json:"bits"`
	First time.Time `json:"first"`
	Base  uint64    `json:"base"`
}

// Uses are the reported uses of a version.
type Uses struct {
	Used   uint64    `json:"used"`
	Failed uint64    `json:"failed"`
	Opened uint64    `json:"opened"`
	Last   time.Time `json:"last"`
}

// A Binding is the record of a binding.
type Binding struct {
	Usage    string    `json:"usage"`
	Referrer string    `json:"referrer"`
	Host     string    `json:"host"`
	Port     uint16    `json:"port"`
	Created  time.Time `json:"created"`
	Versions []uint32  `json:"versions"`
	Purpose  Purpose   `json:"purpose"`
}

// A Printed is the record of a fingerprint.
type Printed struct {
	ID     string `json:"id"`
	Keeper uint32 `json:"keeper"`
}

// A Sealing is the setting of a workspace.
type Sealing struct {
	Required bool   `json:"required"`
	Revision uint64 `json:"revision"`
}

func decode(text []byte, record any) error {
	if len(text) == 0 || text[0] != format {
		return errFormat
	}
	if err := json.Unmarshal(text[1:], record); err != nil {
		return errors.New("malformed record") // the cause could repeat the content
	}
	return nil
}

// get reads a record, and reports whether it exists.
func get(r kv.Reader, key kv.Key, record any) (present bool, err error) {
	text, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = decode(text, record)
	}
	if err != nil {
		return false, fmt.Errorf("read record: %w", err)
	}
	return true, nil
}

// eachSecret calls fn with the name and the record of each secret.
func eachSecret(r kv.Reader, fn func(name secret.Name, text []byte) error) error {
	return each(r, kv.NewKey("secret"), func(rest, text []byte) error {
		workspace, rest, err := kv.CutText(rest)
		if err != nil {
			return err
		}
		id, _, err := kv.CutText(rest)
		if err != nil {
			return err
		}
		return fn(secret.Name{Workspace: workspace, ID: id}, text)
	})
}

// eachSetting calls fn with the workspace and the record of each setting.
func eachSetting(r kv.Reader, fn func(workspace string, text []byte) error) error {
	return each(r, kv.NewKey("sealing"), func(rest, text []byte) error {
		workspace, _, err := kv.CutText(rest)
		if err != nil {
			return err
		}
		return fn(workspace, text)
	})
}

// each calls fn with the rest of each key that starts with prefix, and the value.
func each(r kv.Reader, prefix kv.Key, fn func(rest, value []byte) error) error {
	for pair, err := range kv.All(r, kv.Prefix(prefix, 0)) {
		if err == nil {
			err = fn(pair.Key[len(prefix):], pair.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
