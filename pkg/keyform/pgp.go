package keyform

// pgpLabel returns the kind of OpenPGP key that a label of armor states (RFC 9580 section 6.2).
func pgpLabel(label string) Kind {
	switch label {
	case "PGP PRIVATE KEY BLOCK":
		return KindPGPPrivateKey
	case "PGP PUBLIC KEY BLOCK":
		return KindPGPPublicKey
	}
	return KindUnknown
}

// The OpenPGP packets that start a key.
const (
	packetSecretKey = 5
	packetPublicKey = 6
)

// pgpPackets returns the kind of an OpenPGP key without armor. There are no false positives: the
// first packet is a key of a known version, and the packets fill the value exactly.
func pgpPackets(b []byte) Kind {
	tag, body, rest := pgpPacket(b)
	if tag != packetSecretKey && tag != packetPublicKey || len(body) < 10 || body[0] < 3 || body[0] > 6 {
		return KindUnknown
	}
	packets := 1
	for ; len(rest) > 0; packets++ {
		var next int
		if next, _, rest = pgpPacket(rest); next == 0 {
			return KindUnknown
		}
	}
	switch {
	case packets < 2:
		return KindUnknown
	case tag == packetSecretKey:
		return KindPGPPrivateKey
	}
	return KindPGPPublicKey
}

// pgpPacket splits off the first packet (RFC 9580 section 4.2). Tag 0 means no packet.
func pgpPacket(b []byte) (tag int, body, rest []byte) {
	if len(b) < 2 || b[0]&0x80 == 0 {
		return 0, nil, nil
	}
	tag, size, header := int(b[0]&0x3f), 0, 0
	switch current := b[0]&0x40 != 0; {
	case current && b[1] < 192:
		size, header = int(b[1]), 2
	case current && b[1] < 224 && len(b) > 2:
		size, header = int(b[1]-192)<<8+int(b[2])+192, 3
	case current && b[1] == 255 && len(b) > 5:
		size, header = bigEndian(b[2:6]), 6
	case !current && b[0]&3 < 3 && len(b) > 1<<(b[0]&3):
		tag = int(b[0]>>2) & 0xf
		header = 1 + 1<<(b[0]&3)
		size = bigEndian(b[1:header])
	default:
		return 0, nil, nil
	}
	if size > len(b)-header {
		return 0, nil, nil
	}
	return tag, b[header : header+size], b[header+size:]
}

func bigEndian(b []byte) int {
	n := 0
	for _, c := range b {
		n = n<<8 | int(c)
	}
	return n
}
