package secret

import (
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// A record is a domain struct with a stored form, which package stored documents. Each keeps the
// fields that this program does not know in Unknown, so that a change by an earlier release loses
// nothing that a later one stored.

// encode returns the stored form of a message.
func encode(m proto.Message) ([]byte, error) {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		// The cause could repeat the content of the record.
		return nil, errors.New("encode record: it is not valid UTF-8")
	}
	return text, nil
}

// A readable is a message of package stored that is to be decoded. It has generated code for it,
// which makes the strings and bytes of the message share the memory of its encoding.
type readable interface{ UnmarshalVTUnsafe(text []byte) error }

// decode sets an empty message to an encoded one, and shares the memory of text.
func decode(text []byte, m readable) error {
	if err := m.UnmarshalVTUnsafe(text); err != nil {
		return errRecord
	}
	return nil
}

// errRecord does not repeat the content of the record.
var errRecord = errors.New("malformed record")

// with returns a message with the fields that this program does not know.
func with[M proto.Message](m M, unknown []byte) M {
	if len(unknown) > 0 {
		m.ProtoReflect().SetUnknown(unknown)
	}
	return m
}

// put writes a row that the log does not list.
func put(tx kv.Tx, key kv.Key, m proto.Message) error {
	value, err := encode(m)
	if err != nil {
		return err
	}
	return tx.Put(key, value)
}

// get reads a record, and reports whether it exists.
func get(r kv.Reader, key kv.Key, m readable) (present bool, err error) {
	value, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, decode(value, m)
}

// getCount returns a counter, which is 0 if it does not exist.
func getCount(r kv.Reader, at row) (uint64, error) {
	var m stored.Count
	_, err := get(r, at.key, &m)
	return m.GetCount(), err
}

// addCount increments or decrements a counter and returns it. A counter that falls to 0 is
// removed.
func addCount(tx *writes, at row, up bool) (uint64, error) {
	var m stored.Count
	if _, err := get(tx, at.key, &m); err != nil {
		return 0, err
	}
	switch {
	case up:
		m.Count++
	case m.GetCount() == 0:
		return 0, tampered("counter would fall below zero")
	default:
		m.Count--
	}
	if m.GetCount() == 0 {
		return 0, tx.delete(at)
	}
	return m.GetCount(), tx.put(at, &m)
}

// Usages and states that this program does not know are represented by their numbers, so that they
// are stored again as they were.

func usageMessage(u Usage) stored.Usage {
	switch u {
	case Key:
		return stored.Usage_USAGE_KEY
	case Parameter:
		return stored.Usage_USAGE_PARAMETER
	case Credential:
		return stored.Usage_USAGE_CREDENTIAL
	case ExposedKey:
		return stored.Usage_USAGE_EXPOSED_KEY
	}
	return stored.Usage(number(string(u)))
}

func usageOf(u stored.Usage) Usage {
	switch u {
	case stored.Usage_USAGE_KEY:
		return Key
	case stored.Usage_USAGE_PARAMETER:
		return Parameter
	case stored.Usage_USAGE_CREDENTIAL:
		return Credential
	case stored.Usage_USAGE_EXPOSED_KEY:
		return ExposedKey
	case stored.Usage_USAGE_UNSPECIFIED:
		return ""
	}
	return Usage(strconv.Itoa(int(u)))
}

func stateMessage(s State) stored.State {
	switch s {
	case Enabled:
		return stored.State_STATE_ENABLED
	case Disabled:
		return stored.State_STATE_DISABLED
	case Destroyed:
		return stored.State_STATE_DESTROYED
	}
	return stored.State(number(string(s)))
}

func stateOf(s stored.State) State {
	switch s {
	case stored.State_STATE_ENABLED:
		return Enabled
	case stored.State_STATE_DISABLED:
		return Disabled
	case stored.State_STATE_DESTROYED:
		return Destroyed
	case stored.State_STATE_UNSPECIFIED:
		return ""
	}
	return State(strconv.Itoa(int(s)))
}

func number(text string) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}

// isMissing reports whether a row does not exist.
func isMissing(err error) bool { return errors.Is(err, kv.ErrNotFound) }

// writing wraps the error of writing a record.
func writing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write %s: %w", what, err)
}

// read wraps the error of reading a record.
func read(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read %s: %w", what, err)
}
