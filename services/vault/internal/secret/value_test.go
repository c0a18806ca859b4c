package secret

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
)

func TestGivenValueIsOneByteTo64KiB(t *testing.T) {
	t.Parallel()
	for length, ok := range map[int]bool{0: false, 1: true, MaxValue: true, MaxValue + 1: false} {
		if _, err := NewValue(make([]byte, length)); (err == nil) != ok {
			t.Errorf("NewValue(%d bytes) = %v, want success: %v", length, err, ok)
		}
	}
}

func TestRandomValueHasTheLengthOfItsKind(t *testing.T) {
	t.Parallel()
	for kind, want := range map[Kind]int{AES128: 16, AES192: 24, AES256: 32, HMACSHA256: 32, HMACSHA512: 64, Password: 32} {
		value, err := NewRandom(kind)
		if err != nil {
			t.Fatalf("NewRandom(%d) = %v", kind, err)
		}
		first, err := value.plaintext(rand.Reader)
		if err != nil || first.Len() != want {
			t.Errorf("kind %d generates %d bytes, %v, want %d", kind, first.Len(), err, want)
		}
		second, err := value.plaintext(rand.Reader)
		if err != nil || bytes.Equal(first.Reveal(), second.Reveal()) {
			t.Errorf("kind %d generates the same value twice, %v", kind, err)
		}
	}
	for _, kind := range []Kind{0, X25519 + 1, -1} {
		if _, err := NewRandom(kind); err == nil {
			t.Errorf("NewRandom(%d) succeeds", kind)
		}
	}
}

func TestPasswordHasEachCharacterWithTheSameProbability(t *testing.T) {
	t.Parallel()
	// 62 divides 248, so each character has four of the bytes below 248.
	unfair := bytes.Repeat([]byte{248, 250, 252, 255}, passwordLength/4)
	var fair []byte
	for b := range passwordLength {
		fair = append(fair, byte(247-b))
	}
	password, err := drawPassword(bytes.NewReader(slices.Concat(unfair, fair, unfair)))
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for i := range passwordLength {
		want = append(want, passwordDigits[len(passwordDigits)-1-i])
	}
	if got := password.Reveal(); !bytes.Equal(got, want) {
		t.Errorf("drawPassword = %q, want %q: bytes that would favor some characters are discarded", got, want)
	}
}

func TestFailingRandomSourceFailsTheGeneration(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{AES256, Password} {
		if _, err := (Value{kind: kind}).plaintext(strings.NewReader("short")); err == nil {
			t.Errorf("kind %d generates a value from an exhausted source", kind)
		}
	}
}
