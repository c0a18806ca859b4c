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

// makeKeys generates the keys of a profile, in the order of its references. Now is the creation
// time of keys that carry one.
//
// The keys replace the secrets of a configuration, to test it without valuable keys: each is
// generated for one call and has the kind and length that its place needs. A key is encoded as
// an owner would store it in the vault: a string that decodes as the reference says. A secret
// that is used in several places has one value.
func makeKeys(random io.Reader, now time.Time, profile *describe.Profile) ([]snippet.Key, error) {
	m := maker{random: random, now: now, certified: profile.Certificate, made: make(map[identity]snippet.Key)}
	for _, k := range profile.Keys {
		if k.Role == describe.Unlocks {
			if err := m.lock(k); err != nil {
				return nil, err
			}
		}
	}
	// Keys of a fixed length come first, because a secret that is used twice may accept any
	// length in its second place.
	order := slices.Clone(profile.Keys)
	slices.SortStableFunc(order, func(a, b describe.Key) int { return -cmp.Compare(min(a.Usual, 1), min(b.Usual, 1)) })
	made := make(map[string]snippet.Key, len(order))
	for _, k := range order {
		key, err := m.key(k)
		if err != nil {
			return nil, fmt.Errorf("generate key for %s: %w", k.Field, err)
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

// An identity identifies a secret. References with the same identity get the same value.
type identity struct {
	secret   string
	version  uint32
	decoding keyform.Decoding
	kind     string
}

// kindOf returns the kind of a key: "" for bytes that both sides share.
func kindOf(k describe.Key) string {
	if k.Requirement.PGP {
		return "OpenPGP"
	}
	if k.Shared() {
		return ""
	}
	return k.Requirement.Pairs[0]
}

// A maker generates keys and remembers them.
type maker struct {
	random     io.Reader
	now        time.Time
	certified  bool   // messages contain the fingerprint of a certificate
	passphrase []byte // of OpenPGP keys, nil if they are not locked
	made       map[identity]snippet.Key
}

// lock generates the passphrase, which must exist before the keys that it locks.
func (m *maker) lock(k describe.Key) error {
	key, err := m.key(k)
	m.passphrase = key.Bytes
	return err
}

// key returns the key for a reference, and generates it on first use.
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

// anyBytes is the length of a shared key where any length is accepted.
const anyBytes = 32

// generate generates a key.
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

// secret generates n bytes. Bytes that are stored undecoded consist of letters and digits.
func (m *maker) secret(n int, asText bool) ([]byte, error) {
	secret := make([]byte, n)
	if _, err := io.ReadFull(m.random, secret); err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	if asText {
		const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678901" // 64 characters, so that each is equally likely
		for i, b := range secret {
			secret[i] = characters[b%64]
		}
	}
	return secret, nil
}

// encoded returns the bytes, encoded so that decoding restores them.
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

// pemOf returns a key pair with its PEM, and with a certificate if one is needed.
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
