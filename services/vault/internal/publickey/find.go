package publickey

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
)

// The types of PEM blocks that hold a key (RFC 7468; the last three of older tools).
const (
	typePrivate     = "PRIVATE KEY"
	typePublic      = "PUBLIC KEY"
	typeCertificate = "CERTIFICATE"
	typeRSAPrivate  = "RSA PRIVATE KEY"
	typeECPrivate   = "EC PRIVATE KEY"
	typeRSAPublic   = "RSA PUBLIC KEY"
)

// maxKey is how long the DER of a key may be that is looked into. A private key of
// RSA-4096 has 2,375 bytes. Checking a private key takes time in proportion to at
// least the square of its length, and a value may have 64 KiB.
const maxKey = 4096

// Of returns the SubjectPublicKeyInfo of the first key or certificate in a PEM text,
// or nil if there is none, or it is not of a kind that the vault can generate. It
// keeps nothing of the value.
//
// Blocks of other types before it are passed over: openssl writes the parameters of a
// curve in front of the key.
func Of(value []byte) (spki []byte) {
	for block, rest := pem.Decode(value); block != nil; block, rest = pem.Decode(rest) {
		public, known := publicOf(block)
		clear(block.Bytes)
		if !known {
			continue
		}
		if _, _, err := describe(public); err != nil {
			return nil
		}
		spki, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return nil
		}
		return spki
	}
	return nil
}

// HoldsPrivate reports whether a PEM text has a block with a private key. It goes by the
// types of the blocks, so it is for a text that [Of] knows a key of.
func HoldsPrivate(value []byte) bool {
	for block, rest := pem.Decode(value); block != nil; block, rest = pem.Decode(rest) {
		clear(block.Bytes)
		switch block.Type {
		case typePrivate, typeRSAPrivate, typeECPrivate:
			return true
		}
	}
	return false
}

// publicOf returns the public key of a block, nil if it does not parse, and whether
// the block is of a type that has one.
func publicOf(block *pem.Block) (public any, known bool) {
	var err error
	switch block.Type {
	case typeCertificate:
		return ofCertificate(block.Bytes), true
	case typePublic:
		public, err = within(block.Bytes, x509.ParsePKIXPublicKey)
	case typeRSAPublic:
		public, err = within(block.Bytes, func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) })
	case typePrivate:
		public, err = ofPrivate(block.Bytes, x509.ParsePKCS8PrivateKey)
	case typeRSAPrivate:
		public, err = ofPrivate(block.Bytes, func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) })
	case typeECPrivate:
		public, err = ofPrivate(block.Bytes, func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) })
	default:
		return nil, false
	}
	if err != nil {
		return nil, true // encrypted, of an unknown kind, or broken
	}
	return public, true
}

func ofCertificate(der []byte) any {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return cert.PublicKey
}

func ofPrivate(der []byte, parse func([]byte) (any, error)) (any, error) {
	key, err := within(der, parse)
	if err != nil {
		return nil, err
	}
	private, ok := key.(interface{ Public() crypto.PublicKey })
	if !ok {
		return nil, errKind
	}
	return private.Public(), nil
}

// within parses what is not too long.
func within(der []byte, parse func([]byte) (any, error)) (any, error) {
	if len(der) > maxKey {
		return nil, errKind
	}
	return parse(der)
}
