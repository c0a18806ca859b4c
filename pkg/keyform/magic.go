package keyform

import (
	"bytes"
	"encoding/pem"
)

// fromMagic recognizes files by their first bytes.
func fromMagic(stored []byte) (m material, known bool) {
	for _, magic := range []string{"\xfe\xed\xfe\xed\x00\x00\x00", "\xce\xce\xce\xce\x00\x00\x00"} {
		if bytes.HasPrefix(stored, []byte(magic)) {
			return material{secret: true, form: "Java keystore", problem: &Problem{
				Form: FormJavaKeystore, Cause: "The value is a Java keystore.",
				Remedy: "Convert it to PKCS #12, and store that with its password: keytool -importkeystore -srckeystore keystore.jks -destkeystore key.p12 -deststoretype PKCS12",
			}}, true
		}
	}
	if bytes.HasPrefix(stored, []byte("\x30\x80\x02\x01\x03\x30")) {
		return material{secret: true, form: "PKCS #12", problem: unusablePKCS12("The value is a PKCS #12 file that is encoded in BER instead of DER.")}, true
	}
	return material{}, false
}

func pemOf(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}
