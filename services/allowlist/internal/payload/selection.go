package payload

import (
	"fmt"
	"io"
)

// A selection is the part of a body that is encrypted.
type selection interface {
	// encrypt returns the body with the part sealed.
	encrypt(s *sealer, b box, random io.Reader, body []byte) ([]byte, error)
	// decrypt returns the body with the part opened. Errors are stages.
	decrypt(s *sealer, boxes []box, body []byte) ([]byte, error)
}

// wholeBody selects the whole body, whatever it is.
type wholeBody struct{}

func (wholeBody) encrypt(s *sealer, b box, random io.Reader, body []byte) ([]byte, error) {
	iv := make([]byte, s.suite.iv)
	if err := drawIV(random, iv); err != nil {
		return nil, err
	}
	out := make([]byte, 0, s.sealedLen(b.sealedLen(len(body))))
	return s.seal(out, b, iv, body), nil
}

func (wholeBody) decrypt(s *sealer, boxes []box, body []byte) ([]byte, error) {
	return s.open(boxes, body)
}

// drawIV fills iv, or fails: a short read would leave a predictable one.
func drawIV(random io.Reader, iv []byte) error {
	if _, err := io.ReadFull(random, iv); err != nil {
		return fmt.Errorf("draw iv: %w", err)
	}
	return nil
}
