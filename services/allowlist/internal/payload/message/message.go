// Package message represents one message during processing: its [Input] and [Output], its keys,
// the work that it may cause, and the stages at which it may fail.
//
// # Keys
//
// A key has two forms: the value that was resolved, and the objects that a cipher needs. A
// [Message] decodes each value once, and owns the decoded key and all keys that are generated or
// derived for it. It wipes them when it is done ([Message.Close]). Objects that libraries build
// from a key are cached by its [Source].
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
	// leastUnused is the shortest time that objects built from a key are cached without use.
	leastUnused = time.Second
	// WorkLimit is the maximum work of one message in iterations of a hash, about two seconds.
	// Without it, a partner's message of 65,536 values, each with a separate salt or wrapped key,
	// would keep a processor busy for hours.
	WorkLimit = 10_000_000
	// lightWork is the work that a message does without waiting for a turn, about 4 ms: two private
	// keys. Otherwise, a few messages that take more could together take all processors from all
	// other messages.
	lightWork = 20_000
	// PrivateKeyWork is the work of one operation with the private key of a pair, in the same unit.
	PrivateKeyWork = 10_000
	// PublicKeyWork is the work of one operation with the public key of a pair.
	PublicKeyWork = 1_000
	// P521Work is the work of verifying a signature on P-521, about 3 ms: the library has no fast
	// arithmetic for this curve.
	P521Work = 15_000
	// PgpWork is the work of an OpenPGP message, whose key block is read, checked, and perhaps
	// unlocked.
	PgpWork = 100_000
)

// ErrTooMuchWork means that a message has too many expensive values.
var ErrTooMuchWork = errors.New("the values of the message take too much work in total")

// A Usage is the usage that a secret must be stored with.
type Usage int

// The usages of secrets in an encryption configuration.
const (
	// KeyUsage is the usage of keys, which must stay secret.
	KeyUsage Usage = iota
	// ParameterUsage is the usage of values that may be sent: static IVs and salts.
	ParameterUsage
	// ExposedKeyUsage is the usage of keys whose beginning is sent, or can be computed from the
	// message.
	ExposedKeyUsage
	// IssueUsage is the usage of secrets whose versions the partner issues. They are never resolved for it.
	IssueUsage
)

// A Reference is a secret that must be resolved.
type Reference struct {
	// Secret is the secret's resource name.
	Secret string
	// Version is the version to use; 0 is the current one.
	Version uint32
	// Usage is the usage that the secret must be stored with.
	Usage Usage
	// Purpose is the purpose of a KEY in the configuration, over all its references.
	Purpose purpose.Purpose
	// Previous says that the versions before the current one are accepted too during the grace period
	// of a rotation, because the scheme tells a wrong key from a right one.
	Previous bool
	// Field is the path of the reference in the configuration, such as
	// `request.cipher.shared_key.keys[0]`. A response that mirrors the request names the fields of
	// the request.
	Field string
}

// A Key is one version of a resolved secret: its stored bytes.
type Key struct {
	Value   sensitive.Bytes
	Version uint32
}

// Keys holds the resolved keys, in the order of the references: for each reference the versions to
// try, newest first, at least one. The resolving caller zeroes them; this package does not keep
// them.
type Keys [][]Key

// Headers holds the headers of a received message, keyed by name in lower case.
type Headers map[string]string

// A Header is an HTTP header field.
type Header struct{ Name, Value string }

// A Context holds the properties of a message other than its body and headers. All are optional,
// but a signature may need some.
type Context struct {
	// Time is the time to sign or to compare with. Zero means now.
	Time                          time.Time
	ID, Method, Host, Path, Query string
	// Values are the strings of the call, and Headers the headers that are sent with the message, by
	// name in lower case, for expressions.
	Values  map[string]string
	Headers Headers
}

// An Exchange is the state of a message that its response needs: the key and the IV that it was
// encrypted with. It is as secret as a key. The caller zeroes it.
type Exchange struct{ Key, IV []byte }

// A Trace receives each step of an encryption with its result. It may read the keys and plaintext
// that it receives, but must not keep them.
type Trace func(stage, detail string, value []byte)

// An Input is a message with everything that is needed to protect or decrypt it.
type Input struct {
	Now     time.Time
	Random  io.Reader // for Encrypt; nil means that of the system
	Keys    Keys
	Body    []byte
	Headers Headers // for Decrypt and Verify
	Context Context
	// ContentType is the content type of the body, for signatures that cover it.
	ContentType string
	// JSON says that plaintexts are JSON: a whole body that is not JSON fails to decrypt.
	JSON bool
	// Exchange is the exchange of the message that this one answers.
	Exchange *Exchange
	// Trace is nil if no trace is needed.
	Trace Trace
	// Nonces counts the values that Encrypt protects. Without it, nothing is encrypted under a key
	// that has a budget.
	Nonces Nonces
	// Turn waits until slow work may begin. If it is nil, slow work begins immediately. Light work
	// never waits.
	Turn slowwork.Turn
	// KeepUnused is how long derived keys and objects built from keys are cached without use, at
	// least one second.
	KeepUnused time.Duration
}

// CacheFor returns how long objects built from keys are cached without use.
func (in *Input) CacheFor() time.Duration { return max(in.KeepUnused, leastUnused) }

// Time returns the time of the message: that of its context, or now.
func (in *Input) Time() time.Time {
	if in.Context.Time.IsZero() {
		return in.Now
	}
	return in.Context.Time
}

// A UsedKey is a key that was used.
type UsedKey struct {
	Reference int // index in the references of the call
	Version   uint32
}

// An Output is a message that was protected, decrypted, or verified.
type Output struct {
	// Body may share memory with the input's.
	Body []byte
	// Headers contains the headers of the envelope and the signature, ordered by name.
	Headers []Header
	// Query contains the query parameters of the signature, ordered by name.
	Query []Header
	// ContentType is empty if the body keeps its content type.
	ContentType string
	// Exchange is set if a response needs it.
	Exchange Exchange
	// Used contains the keys that protected or decrypted the message.
	Used []UsedKey
	// ID and Time are the signed ID and time, if any.
	ID   string
	Time time.Time
}

// errKeys means a bug in the caller.
var errKeys = errors.New("payload: the keys do not match the references")

// ErrExchange means that a message needs the key or the IV of the message that it answers, and the
// exchange lacks it.
var ErrExchange = errors.New("payload: the exchange lacks the key or the IV")

// A Message is the state that the steps of protecting or decrypting one message share.
type Message struct {
	Input
	Ring ring
	Work int
	// limit is the maximum work; 0 means WorkLimit.
	limit int
	// Left is the number of remaining values with a separate derivation each.
	Left int
	// rest is the remaining work of a task that is done in pieces, and later the work that follows
	// it.
	rest, later int
	// begun says that the message has had a turn.
	begun bool
	// IvSuffix and AadSuffix are the ends of values of the body that are used as the IV and the
	// associated data, if configured.
	IvSuffix, AadSuffix []byte
	// Answer is the exchange for the response, if the response needs one.
	Answer Exchange
	// Tried says that a key was used on the received message.
	Tried bool
	// Spoiled says that an unauthenticated value failed to decrypt. Processing continues with the
	// available bytes and fails at the end, so that wrong padding takes the same path and the same
	// time as a wrong structure.
	Spoiled bool
	// owned contains the keys that were created for the message. They are wiped when it is done, or
	// earlier.
	owned [][]byte
	// room holds the keys of most messages without a separate allocation.
	room struct {
		owned   [4][]byte
		decoded [2]decoded
	}
}

// New returns a message with its resolved keys. Limit is the maximum work; 0 means WorkLimit.
func New(in Input, ring ring, limit int) *Message {
	m := &Message{Input: in, Ring: ring, limit: limit}
	m.owned, m.Ring.decoded = m.room.owned[:0], m.room.decoded[:0]
	return m
}

// Own registers a key to be wiped when the message is done, or when the key is released. This is
// the only way to wipe keys: decoded keys are owned, too ([Message.Bytes]).
func (m *Message) Own(key []byte) []byte {
	m.owned = append(m.owned, key)
	return key
}

// Owns returns the number of keys that the message owns, for Release.
func (m *Message) Owns() int { return len(m.owned) }

// Release wipes all keys after the first ones, which the message continues to use.
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

// Spend records work that is about to be done, in iterations of a hash. It fails if the total is
// too much. A message that is no longer light waits for its turn, and keeps it until it does more
// work, or ends.
func (m *Message) Spend(work int) error { return m.SpendInPieces(work, work, 0) }

// SpendInPieces is Spend for work that calls Pause after each piece. The parameter later is the
// work that follows.
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

// Pause ends a piece of work and waits until the next may begin. It fails if the caller has gone
// away meanwhile, and with RATE_LIMITED if the work cannot be completed in time.
func (m *Message) Pause(piece int) error {
	if m.rest == 0 {
		return nil
	}
	now := min(piece, m.rest)
	m.rest -= now
	err := m.Turn.Begin(now, m.rest+m.later)
	if late, ok := errors.AsType[*slowwork.LateError](err); ok {
		return fault.Exhausted("", "too much slow work is queued to complete this request before its deadline", late.Wait)
	}
	return err
}

// End ends the turn of the message, if it has one.
func (m *Message) End() {
	if m.begun {
		m.Turn.End()
	}
}

// Traced reports a step to the trace, if there is one.
func (m *Message) Traced(stage, detail string, value []byte) {
	if m.Trace != nil {
		m.Trace(stage, detail, value)
	}
}

// A StageError is the stage at which a message of the partner failed. It is for the owners of the
// endpoint and the log. Callers get the same error for all stages.
type StageError string

func (s StageError) Error() string { return fmt.Sprintf("stage: %s", string(s)) }

// The stages. Padding and tag are a single stage even here. If nothing authenticates the message,
// everything after the first use of a key is [ErrCipher]; see [safety.Unauthenticated].
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

// Stages returns all values that [Stage] can return.
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

// Stage returns the stage at which a message of the partner failed, as MessageFailure.stage names
// it. It is empty for all other errors.
func Stage(err error) string {
	if s, ok := errors.AsType[StageError](err); ok {
		return string(s)
	}
	return ""
}

// A MisfitError is an invalid signature, with the cause.
type MisfitError struct{ cause string }

func (MisfitError) Error() string { return errSignature.Error() }

// Unwrap returns the stage.
func (MisfitError) Unwrap() error { return errSignature }

// Cause returns what was wrong with a message that failed at a [Stage], as MessageFailure.cause
// reports it. It is empty if the cause is not reported.
func Cause(err error) string {
	if m, ok := errors.AsType[MisfitError](err); ok {
		return m.cause
	}
	return ""
}

// NotOpened returns the single error for a partner's data that fails to decrypt.
func NotOpened(stage error) *fault.Error {
	return fault.New(fault.InvalidArgument, DecryptionFailed, "the partner's data failed to decrypt").Because(stage)
}

// BadSignature is NotSigned with the cause.
func BadSignature(cause string) *fault.Error { return NotSigned(MisfitError{cause}) }

// NotSigned returns the single error for an invalid signature.
func NotSigned(stage error) *fault.Error {
	return fault.New(fault.InvalidArgument, SignatureInvalid, "the signature is missing or invalid, or its time is not accepted").Because(stage)
}
