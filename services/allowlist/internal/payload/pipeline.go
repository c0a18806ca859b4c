package payload

// A Pipeline protects the messages of one direction. It is immutable and may be
// used from many goroutines.
type Pipeline struct {
	acknowledged []acknowledgement

	// Without keys the body stays as it is, and these are unset.
	keys        []keySource
	suite       suite
	selection   selection
	envelope    *envelope
	contentType string

	signer *signer // nil: not signed
}

// EncryptReferences returns what [Pipeline.Encrypt] needs, in this order: the key
// that encrypts and the key that signs, as far as they are configured.
func (p *Pipeline) EncryptReferences() []Reference {
	var refs []Reference
	if len(p.keys) > 0 {
		refs = append(refs, p.keys[0].Reference)
	}
	if p.signer != nil {
		refs = append(refs, p.signer.key.Reference)
	}
	return refs
}

// DecryptReferences returns what [Pipeline.Decrypt] needs: the keys that may
// open, in the order in which they are tried.
func (p *Pipeline) DecryptReferences() []Reference {
	refs := make([]Reference, len(p.keys))
	for i, key := range p.keys {
		refs[i] = key.Reference
		refs[i].Live = p.suite.mode == modeGCM && key.Version == 0
	}
	return refs
}

// VerifyReferences returns what [Pipeline.Verify] needs: the keys that may have signed.
func (p *Pipeline) VerifyReferences() []Reference {
	if p.signer == nil {
		return nil
	}
	ref := p.signer.key.Reference
	ref.Live = ref.Version == 0
	return []Reference{ref}
}

// Signs reports whether messages are signed.
func (p *Pipeline) Signs() bool { return p.signer != nil }

// NeedsExchange reports whether a message needs what it answers.
func (p *Pipeline) NeedsExchange() bool { return false }

// ShowsKey reports whether what decrypts at will can learn the key, so that tests with
// live keys are refused.
func (p *Pipeline) ShowsKey() bool { return false }

// Encrypt protects a body that goes out. The result may share memory with body.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED if an acknowledgement has expired, with
// KEY_NOT_USABLE if a key does not decode or has the wrong length, and with
// BODY_NOT_ENCRYPTABLE if the body is not what the selection needs.
func (p *Pipeline) Encrypt(in Input) (Output, error) {
	if err := in.Keys.fit(len(p.EncryptReferences())); err != nil {
		return Output{}, err
	}
	if err := p.checkAcknowledged(in.Now); err != nil {
		return Output{}, err
	}
	out := Output{Body: in.Body, ContentType: p.contentType}
	for i, versions := range in.Keys {
		out.Used = append(out.Used, Use{Reference: i, Version: versions[0].Version})
	}
	keys := in.Keys
	if len(p.keys) > 0 {
		b, err := p.suite.newBox(p.keys[0], keys[0][0].Value)
		if err != nil {
			return Output{}, err
		}
		out.Body, err = p.selection.encrypt(&writer{envelope: p.envelope, box: b, random: in.Random}, in.Body)
		if err != nil {
			return Output{}, err
		}
		keys = keys[1:]
	}
	if p.signer != nil {
		headers, err := p.signer.sign(keys[0][0].Value, out.Body)
		if err != nil {
			return Output{}, err
		}
		out.Headers = headers
	}
	return out, nil
}

// Decrypt opens a body that came in, which it leaves as it is.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED and KEY_NOT_USABLE as Encrypt does, and
// with DECRYPTION_FAILED for whatever is wrong with the body; [Stage] tells where.
func (p *Pipeline) Decrypt(in Input) (Output, error) {
	if err := in.Keys.fit(len(p.keys)); err != nil {
		return Output{}, err
	}
	if err := p.checkAcknowledged(in.Now); err != nil {
		return Output{}, err
	}
	if len(p.keys) == 0 {
		return Output{Body: in.Body}, nil
	}
	var boxes []box
	for i, versions := range in.Keys {
		for _, key := range versions {
			b, err := p.suite.newBox(p.keys[i], key.Value)
			if err != nil {
				return Output{}, err
			}
			boxes = append(boxes, b)
		}
	}
	opened, err := p.selection.decrypt(&parser{envelope: p.envelope, boxes: boxes}, in.Body)
	if err != nil {
		return Output{}, notOpened(err)
	}
	return Output{Body: opened}, nil
}

// Verify checks the signature of a message. It fails with SIGNATURE_INVALID for
// whatever is wrong with it.
func (p *Pipeline) Verify(in Input) (Output, error) {
	if err := in.Keys.fit(len(p.VerifyReferences())); err != nil {
		return Output{}, err
	}
	if err := p.checkAcknowledged(in.Now); err != nil {
		return Output{}, err
	}
	for i, versions := range in.Keys {
		for _, key := range versions {
			headers, err := p.signer.sign(key.Value, in.Body)
			if err != nil {
				return Output{}, err
			}
			if carries(in.Headers, headers) {
				return Output{Body: in.Body, Used: []Use{{Reference: i, Version: key.Version}}}, nil
			}
		}
	}
	return Output{}, notSigned()
}
