package keyring

import (
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// sealerSalt is the length of the salt that derives a key for each string. With the IV, there are
// 192 random bits.
const sealerSalt = 12

// A Sealer encrypts short strings, each with its own key, with XAES-256-GCM. Its 192 random bits
// allow an unlimited number of strings, unlike [Keyring.Seal]. It is safe for concurrent use.
type Sealer struct {
	aead tink.AEAD
	ring *Keyring
	use  string
}

// Sealer returns the sealer for a purpose. It is the same after each start.
func (k *Keyring) Sealer(purpose string) (*Sealer, error) {
	made, err := k.xaes(purpose)
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	return &Sealer{aead: made, ring: k, use: purpose}, nil
}

// xaes returns XAES-256-GCM with the derived key of a purpose.
func (k *Keyring) xaes(purpose string) (tink.AEAD, error) {
	derived := k.Derive("sealer " + purpose)
	defer clear(derived[:])
	parameters, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, sealerSalt)
	if err != nil {
		return nil, err
	}
	key, err := xaesgcm.NewKey(secretdata.NewBytesFromData(derived[:], insecuresecretdataaccess.Token{}), 0, parameters)
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
	return aead.New(handle)
}

// Seal encrypts a short string. It opens only with the same associated data.
func (s *Sealer) Seal(plaintext, associatedData []byte) ([]byte, error) {
	sealed, err := s.aead.Encrypt(plaintext, s.bound(associatedData))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts the output of Seal. It fails if the ciphertext or the associated data was changed.
func (s *Sealer) Open(sealed, associatedData []byte) ([]byte, error) {
	plaintext, err := s.aead.Decrypt(sealed, s.bound(associatedData))
	if err != nil {
		return nil, fmt.Errorf("open sealed text: %w", err)
	}
	return plaintext, nil
}

func (s *Sealer) bound(associatedData []byte) []byte {
	return domainText.bind(s.ring.purpose, s.use, string(associatedData))
}
