package symmetric_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// The plaintext, the IV, and the keys of NIST SP 800-38A appendix F.3.13-18 and F.4.
const (
	nistPlaintext = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	nistIV        = "000102030405060708090a0b0c0d0e0f"
	nistKey128    = "2b7e151628aed2a6abf7158809cf4f3c"
	nistKey192    = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
	nistKey256    = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
)

func TestFeedbackModesAgreeWithNIST(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		algorithm  allowlistv1.Cipher_Algorithm
		key, first string
		rest       string
	}{
		{allowlistv1.Cipher_ALGORITHM_AES_128_CFB, nistKey128, "3b3fd92eb72dad20333449f8e83cfb4a", "c8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6"},
		{allowlistv1.Cipher_ALGORITHM_AES_192_CFB, nistKey192, "cdc80d6fddf18cab34c25909c99a4174", "67ce7f7f81173621961a2b70171d3d7a2e1e8a1dd59b88b1c8e60fed1efac4c9c05f9f9ca9834fa042ae8fba584b09ff"},
		{allowlistv1.Cipher_ALGORITHM_AES_256_CFB, nistKey256, "dc7e84bfda79164b7ecd8486985d3860", "39ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471"},
		{allowlistv1.Cipher_ALGORITHM_AES_128_OFB, nistKey128, "3b3fd92eb72dad20333449f8e83cfb4a", "7789508d16918f03f53c52dac54ed8259740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e"},
		{allowlistv1.Cipher_ALGORITHM_AES_192_OFB, nistKey192, "cdc80d6fddf18cab34c25909c99a4174", "fcc28b8d4c63837c09e81700c11004018d9a9aeac0f6596f559c6d4daf59a5f26d9f200857ca6c3e9cac524bd9acc92a"},
		{allowlistv1.Cipher_ALGORITHM_AES_256_OFB, nistKey256, "dc7e84bfda79164b7ecd8486985d3860", "4febdc6740d20b3ac88f6ad82a4fb08d71ab47a086e86eedf39d1c5bba97c4080126141d67f37be8538f5a8be740e484"},
	} {
		suite := symmetric.SuiteOf(&allowlistv1.Cipher{Algorithm: tt.algorithm})
		box, err := suite.NewBox(unhex(t, tt.key))
		if err != nil {
			t.Fatalf("%v: NewBox: %v", tt.algorithm, err)
		}
		plaintext, want := unhex(t, nistPlaintext), unhex(t, tt.first+tt.rest)
		for _, n := range []int{0, 1, 15, 16, 17, 63, 64} { // a partial segment is the beginning of a whole one
			sealed, err := box.Seal([]byte("before"), unhex(t, nistIV), plaintext[:n], nil)
			if err != nil || !bytes.Equal(sealed, append([]byte("before"), want[:n]...)) || suite.SealedLen(n) != n {
				t.Errorf("%v: Seal of %d bytes = %x, %v, want %x", tt.algorithm, n, sealed, err, want[:n])
			}
			opened, ok := box.Open(sealed[6:6], unhex(t, nistIV), sealed[6:], nil) // in place
			if !ok || !bytes.Equal(opened, plaintext[:n]) {
				t.Errorf("%v: Open of %d bytes = %x, %v", tt.algorithm, n, opened, ok)
			}
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
