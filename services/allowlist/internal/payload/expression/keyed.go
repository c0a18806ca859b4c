package expression

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // Redsys derives the key of each order with Triple DES
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // WeCom and DingTalk sign with SHA-1
	"io"
	"slices"
)

// A keyed function computes a MAC or a derivation.
type keyed struct {
	// hash is the hash of an HMAC; 0 is the derivation with Triple DES.
	hash crypto.Hash
	// derives says that the result is a secret.
	derives bool
	// sorts says that the function hashes a sorted list.
	sorts bool
}

// keyedFunctions returns the functions that take a key, by name.
func keyedFunctions() map[string]keyed {
	all := map[string]keyed{nameDerive3DES: {derives: true}, nameSortedSHA1: {hash: crypto.SHA1, sorts: true}}
	for name, h := range hashes() {
		all["hmac_"+name], all["derive_hmac_"+name] = keyed{hash: h}, keyed{hash: h, derives: true}
	}
	return all
}

const (
	nameDerive3DES = "derive_3des"
	nameSortedSHA1 = "sorted_sha1"
)

// writeKeyed writes a MAC, or a derived key into the hash that consumes it.
func (b *Bound) writeKeyed(w io.Writer, n *node) error {
	if n.keyed.sorts {
		return b.writeSorted(w, n)
	}
	key, err := b.text(n.args[0])
	if err != nil {
		return err
	}
	if n.keyed.hash == 0 {
		text, err := b.text(n.args[1])
		if err != nil {
			return err
		}
		derived, ok := derive3DES(key, text)
		if !ok {
			return &ValueError{Function: n.name}
		}
		_, err = w.Write(derived)
		clear(derived)
		return err
	}
	h := hmac.New(n.keyed.hash.New, key)
	if err := b.write(h, n.args[1]); err != nil {
		return err
	}
	sum := h.Sum(nil)
	_, err = w.Write(sum)
	if n.keyed.derives {
		clear(sum)
	}
	return err
}

// maxDerived bounds the text that Triple DES encrypts, which is the number of an order.
const maxDerived = 256

// derive3DES encrypts a text, padded with zeros, under the first 24 bytes of a key, with Triple
// DES in CBC mode with an IV of zeros: the key of an order at Redsys.
func derive3DES(key, text []byte) ([]byte, bool) {
	const keyBytes = 24
	if len(key) < keyBytes || len(text) == 0 || len(text) > maxDerived {
		return nil, false
	}
	block, err := des.NewTripleDESCipher(key[:keyBytes]) //nolint:gosec // as the partner requires
	if err != nil {
		return nil, false
	}
	out := make([]byte, (len(text)+des.BlockSize-1)/des.BlockSize*des.BlockSize)
	copy(out, text)
	cipher.NewCBCEncrypter(block, make([]byte, des.BlockSize)).CryptBlocks(out, out) //nolint:gosec // as the partner requires: each key encrypts one text
	return out, true
}

// writeSorted writes the SHA-1 of the concatenation of a list and the key, in the order of bytes.
func (b *Bound) writeSorted(w io.Writer, n *node) error {
	v, err := b.value(n.args[0])
	if err != nil {
		return err
	}
	key, err := b.text(n.args[1])
	if err != nil {
		return err
	}
	all := append(slices.Clone(v.list), key)
	slices.SortFunc(all, bytes.Compare)
	h := sha1.New() //nolint:gosec // as the partner requires; the caller acknowledges it
	for _, text := range all {
		_, _ = h.Write(text)
	}
	_, err = w.Write(h.Sum(nil))
	return err
}
