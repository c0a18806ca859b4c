package keyform

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
)

// Info contains the fingerprints by which both sides refer to a key.
type Info struct {
	// PublicSHA256 is the SHA-256 of the DER of the SubjectPublicKeyInfo.
	PublicSHA256 [sha256.Size]byte
	// CertificateSHA256 is the SHA-256 of the DER of the certificate that contains or accompanies the
	// key, or nil.
	CertificateSHA256 *[sha256.Size]byte
	// Certificate is that certificate, or nil. Callers must not change it.
	Certificate *x509.Certificate
}

// ParsePublic returns the public key in a stored secret: that of a public key, a certificate, or a
// private key, in any supported form. The validity period of a certificate is not checked.
//
// The result is an [*rsa.PublicKey] of 2,048 to 8,192 bits, an [*ecdsa.PublicKey] on P-256,
// P-384, or P-521, a [*secp256k1.PublicKey], an [ed25519.PublicKey], or an [*ecdh.PublicKey] of X25519.
// Everything else, including encrypted keys, is a [*Problem], which wraps [ErrKey].
//
// If there are several blocks, the first one with a key counts, even if that key is not usable: a
// certificate is followed by that of its issuer. Blocks of other types are skipped, such as the
// curve parameters that openssl writes first.
func ParsePublic(stored []byte) (crypto.PublicKey, Info, error) {
	found, info, err := find(stored, func(material) bool { return true })
	return found.public, info, err
}

// ParsePrivate returns the private key in a stored secret, in any supported form, of the kinds of
// [ParsePublic]. Blocks without a private key are skipped, such as the certificates of a bundle.
// Info describes the certificate of the key.
func ParsePrivate(stored []byte) (crypto.PrivateKey, Info, error) {
	found, info, err := find(stored, func(m material) bool { return m.secret })
	return found.private, info, err
}

// find returns the first material that matches, and the fingerprints of its key.
func find(stored []byte, wanted func(material) bool) (material, Info, error) {
	file := read(stored)
	first := slices.IndexFunc(file.materials, wanted)
	switch {
	case first < 0 && len(file.materials) > 0 && file.materials[0].problem == nil:
		return material{}, Info{}, &Problem{
			Form: FormPublicOnly, Cause: "The value holds only a public key, and a private key is needed.",
			Remedy: "Store the private key.",
		}
	case first < 0:
		return material{}, Info{}, file.noKey()
	case file.materials[first].problem != nil:
		return material{}, Info{}, file.materials[first].problem
	}
	found := file.materials[first]
	der, err := MarshalPublic(found.public)
	if err != nil {
		return material{}, Info{}, broken("The key")
	}
	info := Info{PublicSHA256: sha256.Sum256(der), Certificate: file.certificateOf(found)}
	if info.Certificate != nil {
		sum := sha256.Sum256(info.Certificate.Raw)
		info.CertificateSHA256 = &sum
	}
	return found, info, nil
}

// A file is the content of a stored value.
type file struct {
	materials []material
	// form is the form of the materials, such as `PEM`. Empty without materials.
	form string
	// notes are notes about the form.
	notes []string
	// pgp is the kind of an OpenPGP key, if it is one.
	pgp Kind
}

// certificateOf returns the certificate of a key.
func (f file) certificateOf(key material) *x509.Certificate {
	for _, m := range f.materials {
		if m.certificate != nil && m.public != nil && key.public.Equal(m.public) {
			return m.certificate
		}
	}
	return nil
}

// noKey returns the reason why a file without materials is not a key.
func (f file) noKey() *Problem {
	switch {
	case f.pgp != KindUnknown:
		return &Problem{
			Form: FormPGP, Cause: "The value is an OpenPGP key.",
			Remedy: "Use it where an OpenPGP key is needed, or store a key in PEM.",
		}
	case len(f.materials) > 0:
		return f.materials[0].problem
	}
	return &Problem{
		Form: FormNone, Cause: "The value is not a private key, public key, or certificate.",
		Remedy: "Store the key in PEM, with the lines BEGIN and END.",
	}
}

// read returns the content of a stored value. It does not change the value, and keeps nothing of
// it except the keys.
func read(stored []byte) file {
	if m, known := fromDER(stored); known {
		return file{materials: []material{m}, form: "DER"}
	}
	if kind := pgpPackets(stored); kind != KindUnknown {
		return file{pgp: kind, form: "OpenPGP, binary"}
	}
	if m, known := fromMagic(stored); known {
		return file{materials: []material{m}}
	}
	t := textOf(stored)
	defer t.erase()
	body := t.trimmed()
	if !isText(body) {
		return file{}
	}
	body, quoted := unquoted(body)
	f := readText(body)
	if quoted && f.form != "" {
		f.notes = append(f.notes, "The value is in quotation marks.")
	}
	return f
}

func readText(body []byte) file {
	if body, escaped := cutEscapes(body); escaped {
		defer clear(body)
		f := readPlain(body)
		if f.form != "" {
			f.notes = append(f.notes, "Line ends are written as \\n.")
		}
		return f
	}
	return readPlain(body)
}

// cutEscapes removes escapes. The JSON parser handles those of a JWK.
func cutEscapes(body []byte) (plain []byte, escaped bool) {
	json := bytes.HasPrefix(body, []byte("{")) && !bytes.Contains(body, []byte(pemBegin))
	if json || bytes.IndexByte(body, '\\') < 0 {
		return body, false
	}
	return unescaped(body), true
}

func readPlain(body []byte) file {
	switch {
	case bytes.Contains(body, []byte(pemBegin)):
		return readPEM(body)
	case bytes.HasPrefix(body, []byte("{")):
		return readJWK(body)
	}
	if m, known := fromTextFormat(body); known {
		return file{materials: []material{m}, form: m.form}
	}
	if der, form := bareDER(body); der != nil {
		m, known := fromDER(der)
		clear(der)
		if known {
			return file{materials: []material{m}, form: form}
		}
	}
	return file{}
}

// bareDER decodes text from base64 or hexadecimal if the result starts like the DER of a key, and
// returns a copy and the name of the encoding.
func bareDER(body []byte) (der []byte, form string) {
	switch {
	case bytes.HasPrefix(body, []byte("M")): // of 0x30
		return lenientBase64(body), "base64"
	case bytes.HasPrefix(body, []byte("30")), bytes.HasPrefix(body, []byte("0x30")):
		return lenientHex(body), "hexadecimal"
	}
	return nil, ""
}

func lenientHex(body []byte) []byte {
	der, err := decodeHex(body)
	if err != nil { // lines may have any length
		der = make([]byte, 0, hex.DecodedLen(len(body)))
		digits := bytes.Join(bytes.Fields(body), nil)
		defer clear(digits)
		der, err = hex.AppendDecode(der, digits)
	}
	if err != nil {
		clear(der)
		return nil
	}
	return der
}

// maxPrivate is the maximum number of private keys that are parsed in a file, because checking
// them takes time.
const maxPrivate = 4

// readPEM returns the content of the PEM blocks. It skips blocks of unknown types.
func readPEM(body []byte) file {
	f := file{form: "PEM"}
	privates := 0
	blocks := blocksOf(body)
	defer func() {
		for _, b := range blocks {
			clear(b.der)
		}
	}()
	for _, b := range blocks {
		if kind := pgpLabel(b.label); kind != KindUnknown {
			return file{pgp: kind, form: "OpenPGP with armor"}
		}
		if strings.HasSuffix(b.label, "PRIVATE KEY") {
			privates++
		}
		m, known := material{secret: true, problem: several()}, true
		if privates <= maxPrivate || !strings.HasSuffix(b.label, "PRIVATE KEY") {
			m, known = fromBlock(b)
		}
		if !known {
			continue
		}
		f.materials = append(f.materials, m)
		f.notes = append(f.notes, b.notes(m)...)
	}
	switch {
	case len(f.materials) == 0:
		return file{}
	case bytes.Count(body, []byte("\n"))+bytes.Count(body, []byte("\r")) < 2 && len(body) > 100:
		f.notes = append(f.notes, "The line ends of the PEM are missing.")
	}
	if !bytes.HasPrefix(body, []byte(pemBegin)) {
		f.notes = append(f.notes, "There is other text before the key.")
	}
	return f
}

// notes returns notes about a block.
func (b block) notes(m material) []string {
	if m.problem == nil && !b.ended {
		return []string{"The END line is missing."}
	}
	return nil
}

// fromBlock returns the content of a PEM block, and whether its type is known.
func fromBlock(b block) (m material, known bool) {
	secret := strings.HasSuffix(b.label, "PRIVATE KEY")
	if secret && bytes.Contains(b.headers, []byte("ENCRYPTED")) {
		return material{secret: true, form: "encrypted " + b.label, problem: encrypted("openssl pkey -in key.pem -out key-plain.pem")}, true
	}
	switch b.label {
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
		"PUBLIC KEY", "RSA PUBLIC KEY", "EC PUBLIC KEY",
		"CERTIFICATE", "X509 CERTIFICATE", "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "PKCS7", "PKCS12":
	case "TRUSTED CERTIFICATE": // trust settings follow it
		_, _, _, b.der = shapeOf(b.der)
	case "OPENSSH PRIVATE KEY":
		if b.der == nil {
			return material{secret: true, problem: b.incomplete()}, true
		}
		return fromOpenSSH(b.der), true
	default:
		return material{}, false
	}
	switch m, known = fromDER(b.der); {
	case !known:
		m = material{problem: b.incomplete()}
	case !b.agrees(m):
		m = material{problem: &Problem{
			Form: FormBroken, Cause: "The BEGIN line says " + b.label + ", but the value is something else.",
			Remedy: "Correct the lines BEGIN and END, or export the key again.",
		}}
	}
	m.secret = m.secret || secret
	return m, true
}

// agrees reports whether the content of a block matches its label. The structure of a private or
// public key may differ.
func (b block) agrees(m material) bool {
	switch {
	case b.label == "ENCRYPTED PRIVATE KEY":
		return m.secret && m.problem != nil
	case strings.HasSuffix(b.label, "PRIVATE KEY"):
		return m.secret
	case strings.HasSuffix(b.label, "PUBLIC KEY"):
		return !m.secret && m.form != formCertificate && m.form != formRequest
	case strings.HasSuffix(b.label, "CERTIFICATE"):
		return m.form == formCertificate
	case strings.HasSuffix(b.label, "REQUEST"):
		return m.form == formRequest
	}
	return true
}

// incomplete is the problem of a block without a complete DER.
func (b block) incomplete() *Problem {
	switch {
	case !b.ended:
		return &Problem{
			Form: FormIncomplete, Cause: "The end of the PEM is missing.",
			Remedy: "Copy the whole file, from the line BEGIN to the line END.",
		}
	case b.der == nil:
		return &Problem{
			Form: FormIncomplete, Cause: "The PEM has invalid or missing characters.",
			Remedy: "Copy the whole file again, from the line BEGIN to the line END.",
		}
	}
	return &Problem{
		Form: FormIncomplete, Cause: "A part of the PEM is missing, or it is not what its BEGIN line says.",
		Remedy: "Copy the whole file again, from the line BEGIN to the line END.",
	}
}

func several() *Problem {
	return &Problem{
		Form: FormSeveral, Cause: "The value holds several private keys.",
		Remedy: "Store each private key as its own secret.",
	}
}
