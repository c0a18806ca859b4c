package tryout

import (
	"cmp"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

// makeKeys makes the keys of a profile, in the order of its references. Now is when keys that
// say so were made.
//
// They stand for the secrets of a configuration, to try it without anything that is worth
// keeping: each is generated for one call and has the kind and length that its place needs. A
// key is made as one would store it in the vault: a text that decodes as the reference says.
// One secret that is used in several places has one value.
func makeKeys(random io.Reader, now time.Time, profile *describe.Profile) ([]snippet.Key, error) {
	m := maker{random: random, now: now, certified: profile.Certificate, made: make(map[identity]snippet.Key)}
	for _, k := range profile.Keys {
		if k.Role == describe.Unlocks {
			if err := m.lock(k); err != nil {
				return nil, err
			}
		}
	}
	// Keys of a fixed length come first: a secret that is used twice may have any length
	// in the second place.
	order := slices.Clone(profile.Keys)
	slices.SortStableFunc(order, func(a, b describe.Key) int { return -cmp.Compare(min(a.Usual, 1), min(b.Usual, 1)) })
	made := make(map[string]snippet.Key, len(order))
	for _, k := range order {
		key, err := m.key(k)
		if err != nil {
			return nil, fmt.Errorf("make key for %s: %w", k.Field, err)
		}
		key.Field = k.Field
		made[k.Field] = key
	}
	keys := make([]snippet.Key, len(profile.Keys))
	for i, k := range profile.Keys {
		keys[i] = made[k.Field]
	}
	return keys, nil
}

// An identity is what makes two references one secret with one value.
type identity struct {
	secret   string
	version  uint32
	decoding keyform.Decoding
	kind     string
}

// kindOf names what a key has to be: "" for bytes that both sides share.
func kindOf(k describe.Key) string {
	if k.Requirement.PGP {
		return "OpenPGP"
	}
	if k.Shared() {
		return ""
	}
	return k.Requirement.Pairs[0]
}

// A maker remembers what it has made.
type maker struct {
	random     io.Reader
	now        time.Time
	certified  bool   // the fingerprint of a certificate is sent
	passphrase []byte // of OpenPGP keys, nil if they are not locked
	made       map[identity]snippet.Key
}

// lock makes the passphrase, which has to be there before the keys that it locks.
func (m *maker) lock(k describe.Key) error {
	key, err := m.key(k)
	m.passphrase = key.Bytes
	return err
}

// key returns the key for a reference, made now or before.
func (m *maker) key(k describe.Key) (snippet.Key, error) {
	id := identity{k.Secret, k.Version, k.Decoding, kindOf(k)}
	if known, ok := m.made[id]; ok && (k.Usual == 0 || k.Usual == len(known.Bytes)) {
		return known, nil
	}
	key, err := m.generate(k)
	if err != nil {
		return snippet.Key{}, err
	}
	key.Secret, key.Decoding = k.Secret, k.Decoding
	m.made[id] = key
	return key, nil
}

// anyBytes is the length of a shared key where any will do.
const anyBytes = 32

// generate makes a key.
func (m *maker) generate(k describe.Key) (snippet.Key, error) {
	asText := k.Decoding == keyform.Raw || k.Decoding == keyform.PEM
	switch {
	case k.Shared():
		secret, err := m.secret(cmp.Or(k.Usual, anyBytes), asText)
		return snippet.Key{Stored: encoded(k.Decoding, secret), Bytes: secret}, err
	case k.Requirement.PGP:
		block, err := m.openPGP()
		return snippet.Key{Stored: encoded(k.Decoding, block)}, err
	}
	pair, err := m.pair(kindOf(k))
	if err != nil {
		return snippet.Key{}, err
	}
	key, text, err := m.pemOf(pair)
	if key.Stored = text; !asText {
		key.Stored = encoded(k.Decoding, key.Private)
	}
	return key, err
}

// secret generates n bytes; those that are stored as they are consist of letters and digits.
func (m *maker) secret(n int, asText bool) ([]byte, error) {
	secret := make([]byte, n)
	if _, err := io.ReadFull(m.random, secret); err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	if asText {
		const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678901" // 64, so that each byte is worth as much
		for i, b := range secret {
			secret[i] = characters[b%64]
		}
	}
	return secret, nil
}

// encoded returns bytes as one would store them to be decoded so.
func encoded(decoding keyform.Decoding, key []byte) []byte {
	switch decoding {
	case keyform.Hex:
		return hex.AppendEncode(nil, key)
	case keyform.Base64:
		return base64.StdEncoding.AppendEncode(nil, key)
	case keyform.Base64URL:
		return base64.RawURLEncoding.AppendEncode(nil, key)
	case keyform.Whsec:
		return base64.StdEncoding.AppendEncode([]byte("whsec_"), key)
	default:
		return key
	}
}

// pemOf returns a pair with its PEM, and with a certificate if one is needed.
func (m *maker) pemOf(pair privateKey) (snippet.Key, []byte, error) {
	key, err := encode(pair)
	if err != nil {
		return snippet.Key{}, nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key.Private})
	if signer, ok := pair.(crypto.Signer); ok && m.certified {
		certificate, err := m.certificate(signer)
		if err != nil {
			return snippet.Key{}, nil, err
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	}
	return key, text, nil
}
