package sealing

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tink-crypto/tink-go/v2/hybrid"
	"github.com/tink-crypto/tink-go/v2/hybrid/hpke"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/keyring"
)

// ID returns the ID of a public key: the first 16 characters of its SHA-256 in hexadecimal.
func ID(public []byte) string {
	digest := sha256.Sum256(public)
	return hex.EncodeToString(digest[:8])
}

// generate returns a new pair.
func generate(ring *keyring.Keyring, now time.Time) (pair, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return pair{}, err
	}
	plain := private.Bytes()
	defer clear(plain)
	return seal(ring, stored{Created: now.UTC().Truncate(time.Second), Ring: ring.KeyID()}, plain)
}

// seal returns the pair of a private key, with its row.
func seal(ring *keyring.Keyring, s stored, private []byte) (pair, error) {
	p, err := newPair(s, private)
	if err != nil {
		return pair{}, err
	}
	if s.Private, err = ring.Seal(private, s.bound(p.ID)); err != nil {
		return pair{}, err
	}
	p.row, err = s.encode()
	return p, err
}

// openPair opens a row. The place of the row is part of the associated data of its private key.
func openPair(ring *keyring.Keyring, id string, row []byte) (pair, error) {
	s, err := decode(row)
	if err != nil {
		return pair{}, err
	}
	private, err := ring.Open(s.Private, s.bound(id))
	if err != nil {
		return pair{}, err
	}
	defer clear(private)
	p, err := newPair(s, private)
	if err != nil {
		return pair{}, err
	}
	if p.ID != id {
		return pair{}, errors.New("the key has another ID")
	}
	p.row = row
	return p, nil
}

// sealedBy returns the ID of the key of the keyring that sealed the private key.
func (p pair) sealedBy() string {
	s, err := decode(p.row)
	if err != nil {
		return "" // no key has this ID
	}
	return keyring.WrappedBy(s.Private)
}

// expiring returns the pair, sealed again, with an expiry, after it was replaced.
func (p pair) expiring(ring *keyring.Keyring, at time.Time) (pair, error) {
	s, err := decode(p.row)
	if err != nil {
		return pair{}, err
	}
	private, err := ring.Open(s.Private, s.bound(p.ID))
	if err != nil {
		return pair{}, err
	}
	defer clear(private)
	s.Expires = at
	return seal(ring, s, private)
}

func newPair(s stored, private []byte) (pair, error) {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return pair{}, err
	}
	opens, err := opener(private)
	if err != nil {
		return pair{}, fmt.Errorf("use key: %w", err)
	}
	public := key.PublicKey().Bytes()
	return pair{
		Key:  Key{ID: ID(public), Public: public, Created: s.Created, Expires: s.Expires},
		ring: s.Ring, private: opens,
	}, nil
}

// opener returns Tink's HPKE decrypter for a private key.
func opener(private []byte) (tink.HybridDecrypt, error) {
	parameters, err := hpke.NewParameters(hpke.ParametersOpts{
		KEMID: hpke.DHKEM_X25519_HKDF_SHA256, KDFID: hpke.HKDFSHA256, AEADID: hpke.AES256GCM,
		Variant: hpke.VariantNoPrefix,
	})
	if err != nil {
		return nil, err
	}
	key, err := hpke.NewPrivateKey(secretdata.NewBytesFromData(private, insecuresecretdataaccess.Token{}), 0, parameters)
	if err != nil {
		return nil, err
	}
	manager := keyset.NewManager()
	id, err := manager.AddKey(key)
	if err != nil {
		return nil, err
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, err
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, err
	}
	return hybrid.NewHybridDecrypt(handle)
}
