package payload

// wantsOf returns what a kind needs to encrypt and to decrypt. Versions before the
// current one are welcome where a wrong key is told from a right one.
func wantsOf(k kind) (encrypt, decrypt []want) {
	switch k := k.(type) {
	case *symmetricCipher:
		return k.wants()
	case *encrypted:
		encrypt, decrypt = wantFirst(k.keys), wantAll(k.keys, true)
		if k.derivation != nil && k.derivation.salt != nil {
			salt := want{source: k.derivation.salt}
			encrypt, decrypt = append(encrypt, salt), append(decrypt, salt)
		}
	case *coded:
		switch c := k.begin.(type) {
		case *rsaDirect:
			return wantFirst(c.keys), wantAll(c.keys, c.wrap.oaep != nil)
		case *openPGP:
			encrypt = append(wantFirst(c.keys), wantFirst(c.signers)...)
			decrypt = append(wantAll(c.keys, true), wantAll(c.signers, true)...)
			if c.passphrase != nil {
				passphrase := want{source: c.passphrase}
				decrypt = append(decrypt, passphrase)
				if len(c.signers) > 0 {
					encrypt = append(encrypt, passphrase)
				}
			}
		}
	}
	return encrypt, decrypt
}

// wants returns what a cipher needs.
func (s *symmetricCipher) wants() (encrypt, decrypt []want) {
	live := s.tells()
	if session, ok := s.supply.(*session); ok {
		live = !session.blind()
	}
	encrypt, decrypt = wantFirst(s.supply.sources()), wantAll(s.supply.sources(), live)
	if s.derivation != nil && s.derivation.salt != nil {
		salt := want{source: s.derivation.salt}
		encrypt, decrypt = append(encrypt, salt), append(decrypt, salt)
	}
	if s.staticIV != nil {
		encrypt = append(encrypt, want{source: s.staticIV})
		if !s.layout.has[slotIV] {
			decrypt = append(decrypt, want{source: s.staticIV})
		}
	}
	if s.mac != nil && s.mac.key != nil {
		encrypt = append(encrypt, want{source: s.mac.key})
		decrypt = append(decrypt, want{source: s.mac.key, live: true})
	}
	return encrypt, decrypt
}

// tells reports whether a wrong key is told from a right one.
func (s *symmetricCipher) tells() bool {
	return s.suite.AEAD() || s.mac != nil && s.mac.key == nil
}

// blind reports whether a session key that does not unwrap becomes a random one.
func (s *session) blind() bool {
	w, ok := s.wrap.(rsaWrap)
	return ok && w.oaep == nil
}
