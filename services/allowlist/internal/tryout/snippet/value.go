package snippet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// The parts by shorter names.
const (
	slotIV         = allowlistv1.Part_SLOT_IV
	slotCiphertext = allowlistv1.Part_SLOT_CIPHERTEXT
	slotTag        = allowlistv1.Part_SLOT_TAG
	slotSalt       = allowlistv1.Part_SLOT_SALT
	slotWrapped    = allowlistv1.Part_SLOT_WRAPPED_KEY
	slotMAC        = allowlistv1.Part_SLOT_MAC
	slotAAD        = allowlistv1.Part_SLOT_AAD
	slotEphemeral  = allowlistv1.Part_SLOT_EPHEMERAL_KEY
)

// partNames are the variables of the parts that a program looks at.
func partNames() map[allowlistv1.Part_Slot]string {
	return map[allowlistv1.Part_Slot]string{
		slotIV: "iv", slotCiphertext: "ciphertext", slotTag: "tag", slotSalt: "salt", slotWrapped: "wrappedKey",
		slotMAC: "mac", slotAAD: "aad", slotEphemeral: "ephemeralKey",
	}
}

// openValue writes the function that opens one protected value, of a variable `text`.
func (p *program) openValue() error {
	source := "text"
	if outer := p.Profile.GetEnvelope().GetEncoding(); outer != allowlistv1.Encoding_ENCODING_UNSPECIFIED && outer != inUTF8 {
		p.say("The whole is encoded once more.")
		source = p.letText("inner", p.encode(p.raw, p.decode(outer, source)))
	}
	var value string
	var err error
	switch kind := p.Profile.GetKind().(type) {
	case *allowlistv1.Profile_Jose:
		value, err = p.openJWE(source, kind.Jose)
	case *allowlistv1.Profile_Pgp:
		return errBeyond
	default:
		if err := p.envelope(source, "${data}", p.lengths()); err != nil {
			return err
		}
		p.decodeBlobs()
		switch kind := kind.(type) {
		case *allowlistv1.Profile_Cipher:
			value, err = p.decrypt(kind.Cipher)
		case *allowlistv1.Profile_RsaDirect:
			value, err = p.decryptDirectly(kind.RsaDirect)
		default:
			value = p.parts[slotCiphertext]
		}
	}
	if err != nil {
		return err
	}
	if nested := p.Profile.GetNestedJws(); nested != nil {
		if value, err = p.verifyNested(nested, value); err != nil {
			return err
		}
	}
	p.line("return " + value + ";")
	return nil
}

// blobs returns the blobs of the envelope, also of one that is not written out.
func (p *program) blobs() map[string]*allowlistv1.Blob {
	if blobs := p.Profile.GetEnvelope().GetBlobs(); len(blobs) > 0 {
		return blobs
	}
	data := new(allowlistv1.Blob)
	if p.Profile.GetKind() == nil && p.Profile.GetNestedJws() != nil {
		data.Encoding = inUTF8
	}
	for _, slot := range []allowlistv1.Part_Slot{slotIV, slotCiphertext, slotTag} {
		if slot == slotCiphertext || p.sends(slot) {
			data.Parts = append(data.Parts, &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slot}})
		}
	}
	return map[string]*allowlistv1.Blob{"data": data}
}

// sends reports whether a cipher sends an IV or a tag.
func (p *program) sends(slot allowlistv1.Part_Slot) bool {
	c := p.Profile.GetCipher()
	if slot == slotTag {
		return p.size(slotTag) > 0
	}
	switch c.GetIv().GetSource() {
	case allowlistv1.Iv_SOURCE_UNSPECIFIED, allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		return c != nil && IVBytes(c) > 0
	}
	return false
}

// rsaBytes is the length of what the throw-away RSA keys encrypt.
const rsaBytes = 256

// size returns the length of a part, or -1 where it differs by message.
func (p *program) size(slot allowlistv1.Part_Slot) int {
	c := p.Profile.GetCipher()
	switch slot {
	case slotIV:
		return IVBytes(c)
	case slotTag:
		switch {
		case c == nil || !authenticates(c.GetAlgorithm()):
			return 0
		case c.GetTagBytes() != 0:
			return int(c.GetTagBytes())
		}
		return 16
	case slotSalt:
		return int(derivationOf(p.Profile).GetSalt().GetSentBytes())
	case slotWrapped:
		if session := c.GetSessionKey(); session.GetAesKw() != nil {
			return wrappedBytes(session, KeyBytes(c.GetAlgorithm())) + 8
		}
		return rsaBytes
	case slotMAC:
		return macHash(c.GetMac().GetAlgorithm()).size
	case slotEphemeral:
		if c.GetEcdh().GetCurve() == allowlistv1.Ecdh_CURVE_P256 {
			return 65
		}
		return 32
	case slotCiphertext, slotAAD:
		return -1
	default:
		return 32 // fingerprints
	}
}

// wrappedBytes returns the length of what is wrapped of a session key of n bytes, if
// nothing else is said.
func wrappedBytes(s *allowlistv1.SessionKey, n int) int {
	if s.GetBytes() != 0 {
		n = int(s.GetBytes())
	}
	switch s.GetForm() {
	case allowlistv1.SessionKey_FORM_BASE64:
		return (n + 2) / 3 * 4
	case allowlistv1.SessionKey_FORM_HEX:
		return 2 * n
	default:
		return n
	}
}

// authenticates reports whether a cipher has a tag.
func authenticates(a allowlistv1.Cipher_Algorithm) bool {
	return strings.HasSuffix(a.String(), "_GCM") || a == allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
}

// lengths returns the lengths of the texts of the blobs that are always as long, which
// base64 in lines need not be.
func (p *program) lengths() map[string]int {
	all := make(map[string]int)
	for name, blob := range p.blobs() {
		total := 0
		for _, part := range blob.GetParts() {
			n := len(part.GetLiteral())
			if n == 0 {
				n = p.size(part.GetSlot())
			}
			if n < 0 {
				total = -1
				break
			}
			total += n
		}
		if total < 0 || blob.GetEncoding() == inLines {
			continue
		}
		switch blob.GetEncoding() {
		case inHex, inHexUpper:
			total *= 2
		case inBase64URL:
			total = (total*4 + 2) / 3
		case inUTF8:
		default:
			total = (total + 2) / 3 * 4
		}
		all[name] = total
	}
	return all
}

// needed reports whether a program looks at the text of a hole.
func (p *program) needed(name string) bool {
	if p.Profile.GetJose() != nil || strings.Contains(p.Profile.GetCipher().GetMac().GetInput(), "${"+name) {
		return true
	}
	names := partNames()
	return slices.ContainsFunc(p.blobs()[name].GetParts(), func(part *allowlistv1.Part) bool { return names[part.GetSlot()] != "" })
}

// decodeBlobs decodes the blobs and takes their parts apart.
func (p *program) decodeBlobs() {
	names := partNames()
	blobs := p.blobs()
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		text, parts := p.texts[name], blobs[name].GetParts()
		if text == "" {
			continue
		}
		encoded := blobs[name].GetEncoding()
		if encoded == inUTF8 {
			encoded = p.raw
		}
		if len(parts) == 1 {
			slot := parts[0].GetSlot()
			p.parts[slot] = p.let(names[slot], p.decode(encoded, text))
			continue
		}
		p.say("The parts of " + name + ": " + partsOf(blobs[name]) + ".")
		p.cut(p.let(variable(name)+"Bytes", p.decode(encoded, text)), parts)
	}
}

// cut cuts the parts of a blob out of its bytes. What stands behind the one part whose
// length is open is counted from the end.
func (p *program) cut(blob string, parts []*allowlistv1.Part) {
	sizes := make([]int, len(parts))
	open := len(parts)
	for i, part := range parts {
		sizes[i] = len(part.GetLiteral())
		if sizes[i] == 0 {
			sizes[i] = p.size(part.GetSlot())
		}
		if sizes[i] < 0 {
			open = i
		}
	}
	behind := 0
	if open < len(parts) {
		for _, n := range sizes[open+1:] {
			behind += n
		}
	}
	at := 0
	end := func(left int) string {
		if left == 0 {
			return ""
		}
		return blob + ".length - " + strconv.Itoa(left)
	}
	for i, part := range parts {
		from, to := strconv.Itoa(at), strconv.Itoa(at+sizes[i])
		switch {
		case i == open:
			to = end(behind)
		case i > open:
			from, to = end(behind), end(behind-sizes[i])
			behind -= sizes[i]
		}
		if sizes[i] > 0 && i < open {
			at += sizes[i]
		}
		if name := partNames()[part.GetSlot()]; name != "" {
			p.parts[part.GetSlot()] = p.let(name, p.slice(blob, from, to))
		}
	}
}

// partsOf names the parts of a blob.
func partsOf(blob *allowlistv1.Blob) string {
	words := make([]string, len(blob.GetParts()))
	for i, part := range blob.GetParts() {
		words[i] = strconv.Quote(part.GetLiteral())
		if part.GetLiteral() == "" {
			words[i] = strings.ReplaceAll(strings.TrimPrefix(part.GetSlot().String(), "SLOT_"), "_", " ")
		}
	}
	return strings.Join(words, ", ")
}

// decryptDirectly writes RSA over the bytes themselves.
func (p *program) decryptDirectly(r *allowlistv1.RsaDirect) (string, error) {
	key, err := p.privateKey("rsa_direct.keys[0]")
	if err != nil {
		return "", err
	}
	return p.let("opened", p.decryptRSA(key, r.GetOaep(), p.parts[slotCiphertext])), nil
}

// decryptRSA writes RSA with OAEP, or with PKCS #1 v1.5 if that is nil.
func (p *program) decryptRSA(key string, oaep *allowlistv1.RsaOaep, encrypted string) string {
	if oaep == nil {
		return call("decryptPkcs1", key, encrypted)
	}
	hash := orSHA256(oaep.GetHash())
	mgf1 := oaep.GetMgf1Hash()
	if mgf1 == allowlistv1.Hash_HASH_UNSPECIFIED {
		mgf1 = hash
	}
	return call("decryptOaep", key, p.hash(hash), p.hash(mgf1), p.decode(inUTF8, p.quote(oaep.GetLabel())), encrypted)
}

func orSHA256(h allowlistv1.Hash) allowlistv1.Hash {
	if h == allowlistv1.Hash_HASH_UNSPECIFIED {
		return allowlistv1.Hash_HASH_SHA256
	}
	return h
}

// number writes a number.
func number[N int | uint32](n N) string { return fmt.Sprint(n) }
