package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

var (
	// ErrForeign means that a file is not a backup, or is the backup of another service.
	ErrForeign = errors.New("the file is not a backup of this service")
	// ErrNewer means that a newer version of Keyward wrote the backup.
	ErrNewer = errors.New("a newer version of Keyward wrote the backup")
	// ErrDamaged means that a backup is incomplete or was changed.
	ErrDamaged = errors.New("the backup is incomplete, or was changed")
)

const (
	// magic is the first line without the version.
	magic = "keyward backup "
	// version is the version of the format.
	version = "1"
	// maxLine is the maximum size of a line in bytes. The keyring is the largest part.
	maxLine = 256 << 10
)

// A Header is what a backup states without a key.
type Header struct {
	// Service is `vault` or `allowlist`.
	Service string `json:"service"`
	// CreateTime is when the backup began, in UTC.
	CreateTime time.Time `json:"create_time"`
	// Provider is the URI of the provider whose key-encryption key opens the backup.
	Provider string `json:"provider"`
	// LogKey is the public key that verifies the checkpoint.
	LogKey string `json:"log_key"`
	// Checkpoint is the signed head of the change log.
	Checkpoint string `json:"checkpoint"`
	// Keyring is the record of the keyring, wrapped by the provider.
	Keyring []byte `json:"keyring"`
	// Key is the key of the backup, wrapped by the keyring.
	Key []byte `json:"key"`
}

// encode returns both lines.
func (h Header) encode() ([]byte, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode header: %w", err)
	}
	if len(line) >= maxLine {
		return nil, errors.New("encode header: it is too large")
	}
	return append(append([]byte(magic+version+"\n"), line...), '\n'), nil
}

// ReadHeader reads the header of a backup, which nothing has verified yet.
func ReadHeader(from io.Reader) (Header, error) {
	h, _, err := readHeader(bufio.NewReader(from))
	return h, err
}

// readHeader returns the header with both lines as they are.
func readHeader(from *bufio.Reader) (h Header, lines []byte, err error) {
	first, err := readLine(from)
	if err != nil {
		return Header{}, nil, err
	}
	if found, ok := bytes.CutPrefix(first, []byte(magic)); !ok {
		return Header{}, nil, ErrForeign
	} else if string(found) != version+"\n" {
		return Header{}, nil, ErrNewer
	}
	second, err := readLine(from)
	if err != nil {
		return Header{}, nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(second))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&h); err != nil {
		return Header{}, nil, fmt.Errorf("%w: malformed header", ErrDamaged)
	}
	return h, append(first, second...), nil
}

// readLine returns a line with its end.
func readLine(from *bufio.Reader) (line []byte, err error) {
	for {
		part, err := from.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF) || len(line) > maxLine:
			return nil, ErrForeign
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read header: %w", err)
		}
	}
}
