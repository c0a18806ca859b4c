package secret

import (
	"strings"
	"testing"
)

func TestWeakKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, plain string
		want        bool
	}{
		{"a short passphrase", "hunter2", true},
		{"15 bytes", "123456789012345", true},
		{"one repeated byte", strings.Repeat("\x00", 32), true},
		{"one repeated character", strings.Repeat("a", 40), true},
		{"one repeated character with a line end", strings.Repeat("a", 40) + "\n", true},
		{"hexadecimal of 15 bytes", "0f1e2d3c4b5a69788796a5b4c3d2e1", true},
		{"hexadecimal of a repeated byte", strings.Repeat("ab", 32), true},
		{"hexadecimal of a repeated byte with a line end", strings.Repeat("AB", 32) + "\n", true},
		{"16 hexadecimal digits, which are 8 bytes", "1234567890123456", true},
		{"padded base64 of 13 bytes", "c2hvcnQta2V5LTEyMw==", true},
		{"base64 of a repeated byte", "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=", true},
		{"base64url of a repeated byte, without padding", "__________________________8", true},
		{"a short webhook key", "whsec_c2hvcnQta2V5LTEyMw", true},

		{"hexadecimal of 8 bytes with colons", "12:34:56:78:90:12:34:56", true},
		{"hexadecimal of a repeated byte with colons", strings.Repeat("ab:", 31) + "ab", true},
		{"a short list of bytes", "0x12, 0x34, 0x56, 0x78", true},
		{"padded base64 of 13 bytes in lines", "c2hvcnQt\na2V5LTEyMw==\n", true},

		{"16 bytes", "sixteen bytes...", false},
		{"hexadecimal of 16 bytes with colons", "0f:1e:2d:3c:4b:5a:69:78:87:96:a5:b4:c3:d2:e1:f0", false},
		{"16 letters", "CorrectHorseBatt", false},
		{"hexadecimal of 16 bytes", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", false},
		{"base64 of 16 bytes", "Dx4tPEtaaXiHlqW0w9Lh8A==", false},
		{"a webhook key", "whsec_Dx4tPEtaaXiHlqW0w9Lh8A==", false},
		{"bytes that could be white space", strings.Repeat("\t\n", 8), false},
		{"16 bytes of which one could be white space", " sixteen bytes..", false},
		{"two alternating bytes", strings.Repeat("ab-", 11), false},
	} {
		if got := weak([]byte(tt.plain)); got != tt.want {
			t.Errorf("%s: weak = %t, want %t", tt.name, got, tt.want)
		}
	}
}
