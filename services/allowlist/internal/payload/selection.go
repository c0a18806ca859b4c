package payload

// A selection is the part of a body that is encrypted.
type selection interface {
	// encrypt returns the body with the part sealed.
	encrypt(s sealer, body []byte) ([]byte, error)
	// decrypt returns the body with the part opened. Errors are stages.
	decrypt(o opener, body []byte) ([]byte, error)
}

// A sealer encrypts the selected values of one message, one after the other. What it
// does with them is not the selection's business.
type sealer interface {
	// prepare tells how many values there will be. It comes before all else.
	prepare(values int) error
	// sealedLen returns the length of what seal appends for a value of n bytes.
	sealedLen(n int) int
	// seal appends what stands in the place of a value.
	seal(dst, value []byte) ([]byte, error)
}

// An opener decrypts what stands in the places of values.
type opener interface {
	// open returns the value that a text stands for. It is good until the next call.
	open(text []byte) ([]byte, error)
	// wipe zeroes what the opener holds of values, the one returned last included.
	wipe()
}

// wholeBody selects the whole body, whatever it is.
type wholeBody struct{}

func (wholeBody) encrypt(s sealer, body []byte) ([]byte, error) {
	if err := s.prepare(1); err != nil {
		return nil, err
	}
	return s.seal(make([]byte, 0, s.sealedLen(len(body))), body)
}

func (wholeBody) decrypt(o opener, body []byte) ([]byte, error) { return o.open(body) }
