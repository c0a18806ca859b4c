package keyform

import (
	"bytes"
	"encoding/pem"
)

// fromMagic returns the keystores of Java, by the bytes that they begin with.
func fromMagic(stored []byte) (m material, known bool) {
	for _, magic := range []string{"\xfe\xed\xfe\xed\x00\x00\x00", "\xce\xce\xce\xce\x00\x00\x00"} {
		if bytes.HasPrefix(stored, []byte(magic)) {
			return material{secret: true, form: "Java keystore", problem: &Problem{
				Form: FormJavaKeystore, Cause: "The value is a keystore of Java.",
				Remedy: "Convert it to PKCS #12, and store that with its password: keytool -importkeystore -srckeystore keystore.jks -destkeystore key.p12 -deststoretype PKCS12",
			}}, true
		}
	}
	return material{}, false
}

func pemOf(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}
