// Package message holds one message on its way: what comes in with it ([Input]) and out of it
// ([Output]), its keys, the work that it may make, and the stages at which it may stop.
//
// # Keys
//
// A key has two forms: the value that was resolved, and what is made of it for a cipher. A [Message]
// decodes each value once, and owns the decoded key and all keys that are made for it; it wipes
// them when it is done ([Message.Close]). What libraries make of a key is cached by its [Source].
package message

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
)

const (
	// leastUnused is the shortest time that what is made of a key is kept without use.
	leastUnused = time.Second
	// WorkLimit is how much work one message may make, in iterations of a hash, about
	// two seconds. Without it a partner's message of 65,536 values, each with a salt or a
	// wrapped key of its own, would keep a processor busy for hours.
	WorkLimit = 10_000_000
	// lightWork is how much a message does without waiting for a turn, about 4 ms: two
	// private keys. What takes more could otherwise, a few at a time, take all processors
	// from all others.
	lightWork = 20_000
	// What the private key of a pair costs once, and what the public one does, in the same
	// unit; and an OpenPGP message, whose key block is read, checked and perhaps unlocked.
	PrivateKeyWork = 10_000
	PublicKeyWork  = 1_000
	PgpWork        = 100_000
)

// ErrTooMuchWork means that a message has more values that cost than it may.
var ErrTooMuchWork = errors.New("the values of the message take too much work in all")

// A Usage is what a secret must be stored for.
type Usage int

// The usages of secrets in an encryption configuration.
const (
	// KeyUsage is that of what must stay secret.
	KeyUsage Usage = iota
	// ParameterUsage is that of what may be sent: static IVs and salts.
	ParameterUsage
	// ExposedKeyUsage is that of keys whose beginning is sent, or can be computed from what
	// is sent.
	ExposedKeyUsage
)

// A Reference is a secret that has to be resolved.
type Reference struct {
	// Secret is the secret's resource name.
	Secret string
	// Version is the version to use; 0 is the current one.
	Version uint32
	// Usage is what the secret must be stored for.
	Usage Usage
	// Purpose is what the configuration uses a KEY for, with all its references.
	Purpose purpose.Purpose
	// Previous says that the versions before the current one are welcome too, as long as
	// the rotation's grace lasts: the scheme tells a wrong key from a right one.
	Previous bool
	// Field is where the reference stands in the configuration, such as
	// `request.cipher.shared_key.keys[0]`. A response that mirrors the request names
	// the request's fields.
	Field string
}

// A Key is one version of a resolved secret: its stored bytes.
type Key struct {
	Value   sensitive.Bytes
	Version uint32
}

// Keys are what was resolved, in the order of the references: of each the versions to
// try, the newest first, at least one. Whoever resolved them zeroes them; nothing here
// keeps them.
type Keys [][]Key

// Headers are those that came with a message, by name in lower case.
type Headers map[string]string

// A Header is an HTTP header field.
type Header struct{ Name, Value string }

// A Context is what is known of a message besides its body and headers. All of it is
// optional; a signature may need some.
type Context struct {
	// Time is the time to sign, or to compare with. Zero: now.
	Time                          time.Time
	ID, Method, Host, Path, Query string
}

// An Exchange is what the answer to a message needs of it: the key and the IV that it
// was encrypted with. It is as secret as a key, and the caller's to zero.
type Exchange struct{ Key, IV []byte }

// A Trace is told of each step of an encryption, with its result. What it is given of
// keys and plaintext it may look at only, and not keep.
type Trace func(stage, detail string, value []byte)

// An Input is a message with all that it takes to protect or to open it.
type Input struct {
	Now     time.Time
	Random  io.Reader // for Encrypt; nil: the system's
	Keys    Keys
	Body    []byte
	Headers Headers // for Decrypt and Verify
	Context Context
	// ContentType is the one of the body, for signatures over it.
	ContentType string
	// JSON says that plaintexts are JSON: a whole body that is none does not open.
	JSON bool
	// Exchange is that of the message which this one answers.
	Exchange *Exchange
	// Trace is nil where nobody looks.
	Trace Trace
	// Nonces counts the values that Encrypt protects. Without it, nothing is encrypted under
	// a key that has a budget.
	Nonces Nonces
	// Turn waits until slow work may begin; nil: it may at once. What is light never waits.
	Turn slowwork.Turn
	// KeepUnused is how long derived keys, and what is made of keys, are kept without use; a
	// second at least.
	KeepUnused time.Duration
}

func (in *Input) CacheFor() time.Duration { return max(in.KeepUnused, leastUnused) }

// A UsedKey is a key that was used.
type UsedKey struct {
	Reference int // in the references of the call
	Version   uint32
}

// An Output is a message that was protected, opened or verified.
type Output struct {
	// Body may share memory with the input's.
	Body []byte
	// Headers are those of the envelope and the signature, ordered by name.
	Headers []Header
	// ContentType is empty where the body keeps its own.
	ContentType string
	// Exchange is set where an answer needs it.
	Exchange Exchange
	// Used are the keys that protected the message or opened it.
	Used []UsedKey
	// ID and Time are those that were signed, as far as there are such.
	ID   string
	Time time.Time
}

// errKeys is a mistake of the caller's program.
var errKeys = errors.New("payload: the keys are not those of the references")

// ErrExchange means that a message needs what it answers, and the exchange does not
// have it.
var ErrExchange = errors.New("payload: the exchange lacks the key or the IV")

// A Message is what the steps of protecting or opening one message share.
type Message struct {
	Input
	Ring ring
	Work int
	// limit is how much work there may be; 0: workLimit.
	limit int
	// Left is how many values there still are that each have a derivation of their own.
	Left int
	// rest is what remains of work that is done in pieces, and later what follows it.
	rest, later int
	// begun says that the message has had a turn.
	begun bool
	// suffixes are the ends of values of the body that are the IV and the associated
	// data, where the configuration says so.
	IvSuffix, AadSuffix []byte
	// Answer is what an answer needs, if one is to be made.
	Answer Exchange
	// Tried says that a key was used on what came in.
	Tried bool
	// Spoiled says that a value did not open where nothing authenticates. The message goes on
	// with what there is and fails at its end, so that a wrong padding takes the path and the
	// time of a wrong structure.
	Spoiled bool
	// owned are the keys that were made for the message. They are wiped when it is done, if not
	// before.
	owned [][]byte
	// room is for the keys of most messages, which take no memory of their own then.
	room struct {
		owned   [4][]byte
		decoded [2]decoded
	}
}

// New returns a message with its resolved keys. Limit is how much work there may be; 0: as
// much as any.
func New(in Input, ring ring, limit int) *Message {
	m := &Message{Input: in, Ring: ring, limit: limit}
	m.owned, m.Ring.decoded = m.room.owned[:0], m.room.decoded[:0]
	return m
}

// Own has a key wiped when the message is done, or is released. It is the one way to wipe keys:
// what is decoded is owned, too ([message.bytes]).
func (m *Message) Own(key []byte) []byte {
	m.owned = append(m.owned, key)
	return key
}

// Owns returns how many keys the message owns, for release.
func (m *Message) Owns() int { return len(m.owned) }

// Release wipes all keys but the first ones, which the message goes on with.
func (m *Message) Release(first int) {
	for _, key := range m.owned[first:] {
		clear(key)
	}
	m.owned = m.owned[:first]
}

// Close ends the turn of the message and wipes its keys.
func (m *Message) Close() {
	m.End()
	m.Release(0)
	for _, d := range m.Ring.decoded {
		clear(d.key)
	}
}

// Spend notes work that is about to be done, in iterations of a hash, and fails where it
// is too much in all. A message that has not been light waits for its turn, and keeps it
// until it does more, or ends.
func (m *Message) Spend(work int) error { return m.SpendInPieces(work, work, 0) }

// SpendInPieces is spend for work that calls pause after each piece, and has as much
// again later.
func (m *Message) SpendInPieces(work, piece, later int) error {
	limit := cmp.Or(m.limit, WorkLimit)
	if m.Work += work; m.Work > limit {
		return ErrTooMuchWork
	}
	m.rest = 0
	if m.Work <= lightWork || work == 0 || m.Turn == nil {
		return nil
	}
	m.begun = true
	m.rest, m.later = work, min(later, limit-m.Work)
	return m.Pause(piece)
}

// Pause ends a piece of work and waits until the next may begin. It fails when the caller
// went away meanwhile, and with RATE_LIMITED when all would not be done in time.
func (m *Message) Pause(piece int) error {
	if m.rest == 0 {
		return nil
	}
	now := min(piece, m.rest)
	m.rest -= now
	err := m.Turn.Begin(now, m.rest+m.later)
	if late, ok := errors.AsType[*slowwork.LateError](err); ok {
		return fault.Exhausted("", "there is too much slow work for the request to be done at its deadline", late.Wait)
	}
	return err
}

// End ends the turn of the message, if it has one.
func (m *Message) End() {
	if m.begun {
		m.Turn.End()
	}
}

// Traced tells who looks of a step.
func (m *Message) Traced(stage, detail string, value []byte) {
	if m.Trace != nil {
		m.Trace(stage, detail, value)
	}
}

// A StageError is where a message of the partner stopped. It is for the endpoint's owners
// and the log; what the caller gets is the same for all.
type StageError string

func (s StageError) Error() string { return fmt.Sprintf("stage: %s", string(s)) }

// The stages. Padding and tag are one even here, and where nothing authenticates all that
// comes after a key was used is [errCipher]; see [safety.Unauthenticated].
const (
	ErrSelect     = StageError("select")
	ErrEnvelope   = StageError("envelope")
	ErrDecode     = StageError("decode")
	ErrUnwrap     = StageError("unwrap")
	ErrDerive     = StageError("derive")
	ErrMAC        = StageError("mac")
	ErrCipher     = StageError("decrypt")
	ErrSignInside = StageError("sign inside")
	ErrValue      = StageError("value")
	errSignature  = StageError("signature")
)

// Stages returns all that [Stage] may return.
func Stages() []string {
	all := []StageError{
		ErrSelect, ErrEnvelope, ErrDecode, ErrUnwrap, ErrDerive, ErrMAC, ErrCipher, ErrSignInside, ErrValue, errSignature,
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return names
}

// Stage returns the stage at which a message of the partner stopped, as
// MessageFailure.stage names it; empty for all other errors.
func Stage(err error) string {
	if s, ok := errors.AsType[StageError](err); ok {
		return string(s)
	}
	return ""
}

// A Misfit is a signature that is not right, with what is wrong with it.
type Misfit struct{ cause string }

func (Misfit) Error() string { return errSignature.Error() }

// Unwrap returns the stage.
func (Misfit) Unwrap() error { return errSignature }

// Cause returns what was wrong with a message that stopped at a [Stage], as
// MessageFailure.cause has it; empty where that is not told.
func Cause(err error) string {
	if m, ok := errors.AsType[Misfit](err); ok {
		return m.cause
	}
	return ""
}

// NotOpened returns the one answer for a partner's data that does not open.
func NotOpened(stage error) *fault.Error {
	return fault.New(fault.InvalidArgument, DecryptionFailed, "what came from the partner does not open").Because(stage)
}

// BadSignature is notSigned with what is wrong with the signature.
func BadSignature(cause string) *fault.Error { return NotSigned(Misfit{cause}) }

// NotSigned returns the one answer for a signature that is not right.
func NotSigned(stage error) *fault.Error {
	return fault.New(fault.InvalidArgument, SignatureInvalid, "the signature is missing, is not right, or is of another time").Because(stage)
}
