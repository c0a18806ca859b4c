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

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

// makeKeys makes the keys of a profile that stands at a path, `request` or `response`, in the
// order of its references. Now is when keys that say so were made.
func makeKeys(random io.Reader, now time.Time, path string, profile *allowlistv1.Profile) ([]snippet.Key, error) {
	m := maker{random: random, now: now, made: make(map[identity]snippet.Key)}
	wanted := needs(path, profile)
	for _, n := range wanted {
		if n.kind == locked {
			if err := m.lock(n); err != nil {
				return nil, err
			}
		}
	}
	// Keys of a fixed length come first: a secret that is used twice may have any length
	// in the second place.
	order := slices.Clone(wanted)
	slices.SortStableFunc(order, func(a, b need) int { return -cmp.Compare(min(a.bytes, 1), min(b.bytes, 1)) })
	made := make(map[string]snippet.Key, len(wanted))
	for _, n := range order {
		key, err := m.key(n)
		if err != nil {
			return nil, fmt.Errorf("make key for %s: %w", n.field, err)
		}
		key.Field = n.field
		made[n.field] = key
	}
	keys := make([]snippet.Key, len(wanted))
	for i, n := range wanted {
		keys[i] = made[n.field]
	}
	return keys, nil
}

// An identity is what makes two references one secret with one value.
type identity struct {
	secret   string
	version  uint32
	decoding allowlistv1.Decoding
	kind     kind
}

// A maker remembers what it has made.
type maker struct {
	random     io.Reader
	now        time.Time
	passphrase []byte // of OpenPGP keys, nil if they are not locked
	made       map[identity]snippet.Key
}

// lock makes the passphrase, which has to be there before the keys that it locks.
func (m *maker) lock(n need) error {
	key, err := m.key(n)
	m.passphrase = key.Bytes
	return err
}

// key returns the key for a need, made now or before.
func (m *maker) key(n need) (snippet.Key, error) {
	ref := n.ref
	id := identity{ref.GetName(), ref.GetVersion(), ref.GetDecoding(), n.kind}
	if id.kind == locked {
		id.kind = shared
	}
	if known, ok := m.made[id]; ok && (n.bytes == 0 || n.bytes == len(known.Bytes)) {
		return known, nil
	}
	key, err := m.draw(n)
	if err != nil {
		return snippet.Key{}, err
	}
	key.Secret, key.Version, key.Decoding = ref.GetName(), ref.GetVersion(), ref.GetDecoding()
	m.made[id] = key
	return key, nil
}

// usualBytes is the length of a shared key where any will do.
const usualBytes = 32

// draw makes a key.
func (m *maker) draw(n need) (snippet.Key, error) {
	decoding := n.ref.GetDecoding()
	switch n.kind {
	case shared, locked:
		raw := decoding == allowlistv1.Decoding_DECODING_UNSPECIFIED || decoding == allowlistv1.Decoding_DECODING_RAW
		secret, err := m.secret(cmp.Or(n.bytes, usualBytes), raw || decoding == allowlistv1.Decoding_DECODING_PEM)
		return snippet.Key{Stored: stored(decoding, secret), Bytes: secret}, err
	case openPGP:
		block, err := m.openPGP()
		return snippet.Key{Stored: stored(decoding, block)}, err
	}
	pair, err := m.pair(n.kind)
	if err != nil {
		return snippet.Key{}, err
	}
	key, text, err := m.written(pair, n.certified)
	if decoding > allowlistv1.Decoding_DECODING_RAW && decoding != allowlistv1.Decoding_DECODING_PEM {
		text = stored(decoding, key.Private)
	}
	key.Stored = text
	return key, err
}

// secret draws n bytes; what is stored as it is, is drawn of letters and digits.
func (m *maker) secret(n int, text bool) ([]byte, error) {
	secret := make([]byte, n)
	if _, err := io.ReadFull(m.random, secret); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	if text {
		const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678901" // 64, so that each byte is worth as much
		for i, b := range secret {
			secret[i] = characters[b%64]
		}
	}
	return secret, nil
}

// stored returns bytes as one would store them to be decoded so.
func stored(decoding allowlistv1.Decoding, key []byte) []byte {
	switch decoding {
	case allowlistv1.Decoding_DECODING_HEX:
		return hex.AppendEncode(nil, key)
	case allowlistv1.Decoding_DECODING_BASE64:
		return base64.StdEncoding.AppendEncode(nil, key)
	case allowlistv1.Decoding_DECODING_BASE64URL:
		return base64.RawURLEncoding.AppendEncode(nil, key)
	case allowlistv1.Decoding_DECODING_WHSEC:
		return base64.StdEncoding.AppendEncode([]byte("whsec_"), key)
	default:
		return key
	}
}

// written returns a pair with its PEM, and with a certificate if one is needed.
func (m *maker) written(pair privateKey, certified bool) (snippet.Key, []byte, error) {
	key, err := encode(pair)
	if err != nil {
		return snippet.Key{}, nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key.Private})
	if signer, ok := pair.(crypto.Signer); ok && certified {
		certificate, err := m.certificate(signer)
		if err != nil {
			return snippet.Key{}, nil, err
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	}
	return key, text, nil
}
