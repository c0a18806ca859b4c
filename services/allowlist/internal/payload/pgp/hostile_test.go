package pgp_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

// contentOf returns the packets inside a binary message.
func contentOf(t testing.TB, key pair, message []byte) []byte {
	t.Helper()
	packets := packet.NewReader(bytes.NewReader(message))
	p, err := packets.Next()
	if err != nil {
		t.Fatal(err)
	}
	wrapped := p.(*packet.EncryptedKey)
	if err := wrapped.Decrypt(key.entity.Subkeys[0].PrivateKey, nil); err != nil {
		t.Fatal(err)
	}
	if p, err = packets.Next(); err != nil {
		t.Fatal(err)
	}
	stream, err := p.(packet.EncryptedDataPacket).Decrypt(wrapped.CipherFunc, wrapped.Key)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// reencrypt returns a message with these packets inside.
func reencrypt(t testing.TB, content []byte, to ...pair) []byte {
	t.Helper()
	var out bytes.Buffer
	sessionKey := bytes.Repeat([]byte{7}, 32)
	for _, key := range to {
		if err := packet.SerializeEncryptedKey(&out, key.entity.Subkeys[0].PublicKey, packet.CipherAES256, sessionKey, nil); err != nil {
			t.Fatal(err)
		}
	}
	w, err := packet.SerializeSymmetricallyEncrypted(&out, packet.CipherAES256, false, packet.CipherSuite{}, sessionKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// nopCloser lets packets be written one into the other.
type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// literal returns a literal data packet.
func literal(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := packet.SerializeLiteral(nopCloser{&out}, true, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// compressed returns a compressed packet around others.
func compressed(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := packet.SerializeCompressed(nopCloser{&out}, packet.CompressionZLIB, &packet.CompressionConfig{Level: packet.BestSpeed})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// signatures returns n one-pass signature packets.
func signatures(t testing.TB, key pair, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	ops := &packet.OnePassSignature{Version: 3, SigType: packet.SigTypeBinary, Hash: crypto.SHA256, PubKeyAlgo: packet.PubKeyAlgoEdDSA, KeyId: key.entity.PrimaryKey.KeyId}
	if err := ops.Serialize(&out); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(out.Bytes(), n)
}

func TestHostileMessagesAreRefused(t *testing.T) {
	t.Parallel()
	key, other := newPair(t, nil), newPair(t, nil)
	body := literal(t, []byte(sample))
	tests := []struct {
		name    string
		message []byte
		want    error
	}{
		{"compressed content is decrypted", reencrypt(t, compressed(t, body), key), nil},
		{"a message to several keys is decrypted", reencrypt(t, body, slices.Concat(slices.Repeat([]pair{other}, 15), []pair{key})...), nil},
		{"a message for too many", reencrypt(t, body, slices.Repeat([]pair{key}, 20)...), pgp.ErrMessage},
		{"a message to another key", reencrypt(t, body, other), pgp.ErrUnwrap},
		{"a message to no key", reencrypt(t, body), pgp.ErrUnwrap},
		{"no message", nil, pgp.ErrMessage},
		{"not encrypted at all", body, pgp.ErrMessage},
		{"not encrypted but compressed", compressed(t, body), pgp.ErrMessage},
		{"a message inside a message", reencrypt(t, reencrypt(t, body, key), key), pgp.ErrDecrypt},
		{"compressed twice", reencrypt(t, compressed(t, compressed(t, body)), key), pgp.ErrDecrypt},
		{"a signature that is announced and missing", reencrypt(t, append(signatures(t, key, 1), body...), key), pgp.ErrDecrypt},
		{"three hundred thousand signatures", reencrypt(t, append(signatures(t, key, 300_000), body...), key), pgp.ErrDecrypt},
		{"three hundred thousand signatures, compressed", reencrypt(t, compressed(t, append(signatures(t, key, 300_000), body...)), key), pgp.ErrDecrypt},
		{"two bodies", reencrypt(t, append(slices.Clone(body), body...), key), pgp.ErrDecrypt},
		{"nothing inside", reencrypt(t, nil, key), pgp.ErrDecrypt},
		{"text around the armor", append([]byte("hello\n"), armored(t, openpgp.MessageType, reencrypt(t, body, key))...), pgp.ErrMessage},
		{"armor of another kind", armored(t, openpgp.PublicKeyType, reencrypt(t, body, key)), pgp.ErrMessage},
		{"armor without end", armored(t, openpgp.MessageType, reencrypt(t, body, key))[:200], pgp.ErrMessage},
		{"armor twice", bytes.Repeat(armored(t, openpgp.MessageType, reencrypt(t, body, key)), 2), pgp.ErrMessage},
	}
	for _, tt := range tests {
		began := time.Now()
		got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, nil, tt.message)
		if !errors.Is(err, tt.want) || err == nil && string(got) != sample {
			t.Errorf("%s: Decrypt = %q, %v, want %v", tt.name, got, err, tt.want)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: Decrypt took %v", tt.name, took)
		}
	}
}

func TestAChangedMessageNeverOpensAsAnother(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*packet.Config){nil, func(c *packet.Config) {
		c.V6Keys, c.Algorithm, c.AEADConfig = true, packet.PubKeyAlgoEd25519, &packet.AEADConfig{}
	}} {
		key := newPair(t, change)
		message := encrypt(t, pgp.Message{Binary: true}, key, nil, []byte(sample))
		for i := 0; i < len(message); i += 2 {
			changed := bytes.Clone(message)
			changed[i] ^= 0x01
			// Some bits of how the session key is wrapped mean nothing to anybody.
			if got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, nil, changed); err == nil && string(got) != sample {
				t.Errorf("with byte %d changed Decrypt = %q", i, got)
			}
			if got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, nil, message[:i]); err == nil {
				t.Errorf("cut to %d bytes Decrypt = %q", i, got)
			}
		}
	}
}

func TestAMessageWithoutIntegrityProtectionIsRefused(t *testing.T) {
	t.Parallel()
	key := newPair(t, nil)
	var message bytes.Buffer
	if err := packet.SerializeEncryptedKey(&message, key.entity.Subkeys[0].PublicKey, packet.CipherAES256, make([]byte, 32), nil); err != nil {
		t.Fatal(err)
	}
	message.Write([]byte{0xc9, 40}) // the packet of RFC 2440, tag 9
	message.Write(make([]byte, 40))
	if got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, nil, message.Bytes()); !errors.Is(err, pgp.ErrMessage) {
		t.Errorf("Decrypt = %q, %v, want ErrMessage", got, err)
	}
}

func TestCompressedContentIsBounded(t *testing.T) { // not parallel: the test counts allocations
	key := newPair(t, nil)
	fits := reencrypt(t, compressed(t, literal(t, make([]byte, 1<<20))), key)
	if got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, nil, fits); err != nil || len(got) != 1<<20 {
		t.Errorf("Decrypt = %d bytes, %v", len(got), err)
	}
	bomb := reencrypt(t, compressed(t, literal(t, make([]byte, pgp.MaxInflated+1<<20))), key)
	before := allocated()
	_, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, nil, bomb)
	if grown := allocated() - before; !errors.Is(err, pgp.ErrDecrypt) || grown > 6*pgp.MaxInflated {
		t.Errorf("Decrypt of %d bytes = %v after allocating %d MiB", len(bomb), err, grown>>20)
	}
}

// allocated returns how much has been allocated since the start, by all.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestUnusableKeysAreRefused(t *testing.T) {
	t.Parallel()
	good := newPair(t, nil)
	message := encrypt(t, pgp.Message{}, good, nil, []byte(sample))
	expired := newPair(t, func(c *packet.Config) { c.KeyLifetimeSecs = 3600 })
	short := newPair(t, func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 1024 })
	many := bytes.Repeat(good.private, 8)
	blocks := map[string][]byte{
		"an empty block":            nil,
		"no block":                  []byte("0123456789abcdef"),
		"a message":                 message,
		"a key cut short":           good.private[:len(good.private)/2],
		"RSA of 1,024 bits":         short.private,
		"a block of too many keys":  many,
		"a lock that needs 2 TiB":   locked(t, 31, 1, 1),
		"a lock that takes an hour": locked(t, 16, 255, 1),
	}
	for name, block := range blocks {
		if _, err := (pgp.Message{}).Encrypt(now, rand.Reader, block, nil, nil); !errors.Is(err, pgp.ErrKey) {
			t.Errorf("%s: Encrypt = %v, want ErrKey", name, err)
		}
		if _, _, err := pgp.Decrypt(now, [][]byte{block}, []byte("p"), nil, message); !errors.Is(err, pgp.ErrKey) {
			t.Errorf("%s: Decrypt = %v, want ErrKey", name, err)
		}
		if _, _, err := pgp.Decrypt(now, [][]byte{good.private}, nil, [][]byte{block}, message); !errors.Is(err, pgp.ErrKey) {
			t.Errorf("%s: Decrypt with it as verifier = %v, want ErrKey", name, err)
		}
	}
	if _, err := (pgp.Message{}).Encrypt(now, rand.Reader, expired.public, nil, nil); !errors.Is(err, pgp.ErrKey) {
		t.Errorf("Encrypt for an expired key = %v, want ErrKey", err)
	}
	if _, _, err := pgp.Decrypt(now, [][]byte{good.public}, nil, nil, message); !errors.Is(err, pgp.ErrKey) {
		t.Errorf("Decrypt with a public key = %v, want ErrKey", err)
	}
	signer := &pgp.Signer{Key: good.public}
	if _, err := (pgp.Message{}).Encrypt(now, rand.Reader, good.public, signer, nil); !errors.Is(err, pgp.ErrKey) {
		t.Errorf("Encrypt signed with a public key = %v, want ErrKey", err)
	}
}

// locked returns a private key under Argon2 with these numbers.
func locked(t *testing.T, memory, passes, lanes byte) []byte {
	t.Helper()
	key := newPair(t, func(c *packet.Config) { c.V6Keys, c.Algorithm = true, packet.PubKeyAlgoEd25519 })
	argon := &packet.Config{
		AEADConfig: &packet.AEADConfig{},
		S2KConfig:  &s2k.Config{S2KMode: s2k.Argon2S2K, Argon2Config: &s2k.Argon2Config{NumberOfPasses: 3, DegreeOfParallelism: 4}},
	}
	if err := key.entity.EncryptPrivateKeys([]byte("p"), argon); err != nil {
		t.Fatal(err)
	}
	block := pairOf(t, key.entity).private
	if _, _, err := pgp.Decrypt(now, [][]byte{block}, []byte("p"), nil, encrypt(t, pgp.Message{}, key, nil, nil)); err != nil {
		t.Fatalf("the key cannot be unlocked with the parameters of the RFC: %v", err)
	}
	// Passes, lanes, and memory are adjacent bytes, and occur once in each packet.
	return bytes.ReplaceAll(block, []byte{3, 4, 16}, []byte{passes, lanes, memory})
}

func TestALargeMessageTakesLittleMemory(t *testing.T) { // not parallel: the test counts allocations
	key := newPair(t, nil)
	plaintext := bytes.Repeat([]byte(strings.Repeat("0123456789abcdef", 64)), 4<<10)
	before := allocated()
	message := encrypt(t, pgp.Message{}, key, nil, plaintext)
	encrypting := allocated() - before
	before = allocated()
	got, _, err := pgp.Decrypt(now, [][]byte{key.private}, nil, nil, message)
	decrypting := allocated() - before
	if err != nil || !bytes.Equal(got, plaintext) {
		t.Fatalf("Decrypt: %v", err)
	}
	// The message once, its packets, and the plaintext. Temporary pieces count, too.
	if limit := uint64(5 * len(plaintext)); encrypting > limit || decrypting > limit {
		t.Errorf("4 MiB took %d MiB to encrypt and %d MiB to decrypt", encrypting>>20, decrypting>>20)
	}
}
