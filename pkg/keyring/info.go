package keyring

import (
	"errors"
	"slices"
	"time"

	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/keyward/keyward/pkg/kv"
)

// ErrKeyDisabled reports sealed data whose key is disabled.
var ErrKeyDisabled = errors.New("the key of the keyring is disabled")

// Info describes a keyring without its keys.
type Info struct {
	// Provider is the URI of the provider that wraps the keyring.
	Provider string
	// Configured are the URIs of all configured providers.
	Configured []string
	// Keys are the keys, newest first.
	Keys []Key
	// Roots are the roots, newest first. New rows depend on the first one.
	Roots []Root
}

// A KeyState is what a key may be used for.
type KeyState int

// The states of keys.
const (
	// Primary keys seal and open. There is one.
	Primary KeyState = iota + 1
	// Enabled keys open.
	Enabled
	// Disabled keys are kept.
	Disabled
	// Destroyed keys are erased.
	Destroyed
)

// A Key describes a key of the keyset.
type Key struct {
	// ID is 8 hexadecimal digits.
	ID    string
	State KeyState
	// Created is zero for keys of a release without rotation.
	Created time.Time
	// Destroyed is zero unless the key is destroyed.
	Destroyed time.Time
}

// A Root describes a root.
type Root struct {
	// Generation is what rows name, 1-255.
	Generation byte
	// Created is zero for the root of a release without rotation.
	Created time.Time
}

// Info returns what the keyring consists of.
func (k *Keyring) Info() Info {
	now := k.opened.Load()
	info := Info{Provider: now.provider, Configured: k.providers.All()}
	for _, key := range slices.Backward(now.keys) {
		info.Keys = append(info.Keys, Key{
			ID: keyID(key.GetId()), State: now.stateOf(key.GetId()),
			Created: kv.TimeOf(key.GetCreated()), Destroyed: kv.TimeOf(key.GetDestroyed()),
		})
	}
	for _, root := range slices.Backward(now.roots) {
		info.Roots = append(info.Roots, Root{Generation: byte(root.GetGeneration()), Created: kv.TimeOf(root.GetCreated())})
	}
	return info
}

// stateOf returns the state of a key, which is destroyed if the keyset does not have it.
func (o *opened) stateOf(id uint32) KeyState {
	switch {
	case keyID(id) == o.keyID:
		return Primary
	case o.status(id) == keyset.Enabled:
		return Enabled
	case o.status(id) == keyset.Disabled:
		return Disabled
	}
	return Destroyed
}

// explain returns ErrKeyDisabled in place of an error if the key with an ID is disabled.
func (o *opened) explain(id string, err error) error {
	if key := o.key(id); key != nil && o.stateOf(key.GetId()) == Disabled {
		return ErrKeyDisabled
	}
	return err
}
