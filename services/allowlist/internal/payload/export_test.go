package payload

// What the tests of purposes look at.
var (
	ClassOf   = classOf
	Conflicts = conflicts
)

// ClassUnknown is that of what is no chain.
const ClassUnknown = classUnknown

// HarmlessBecause returns why one KEY may have both chains.
func HarmlessBecause(a, b string) string {
	return harmless()[[2]class{min(classOf(a), classOf(b)), max(classOf(a), classOf(b))}]
}

// LimitWork lets a message make so much work only, so that tests of the limit are quick.
func (p *Pipeline) LimitWork(n int) { p.workLimit = n }

// ValidJSON is what looks at plaintexts of JSON.
func ValidJSON(plaintext []byte) bool { return validJSON(plaintext) }
