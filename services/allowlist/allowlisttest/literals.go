package allowlisttest

// CanaryHex is a key that nothing may show, as 64 hexadecimal digits.
const (
	CanaryHex = "8f0c1b5a2d9e47f3a6b1c08d7e52f9341b6d0e8c5a7f2394d1e6b80c3f5a7d92"
	LiveToken = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	PemKey    = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n-----END PRIVATE KEY-----"
)
