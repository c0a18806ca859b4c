package snippet

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// java writes a class in Java.
type java struct{}

func (java) language() string { return "java" }

// maxLiteral is how long a string constant is made: a class file takes 65,535 bytes.
const maxLiteral = 20_000

// quote writes a text between double quotes, a long one in pieces.
func (java) quote(text string) string {
	if len(text) <= maxLiteral {
		return `"` + escaped(text, '"') + `"`
	}
	var pieces []string
	for piece := range slices.Chunk([]rune(text), maxLiteral) {
		pieces = append(pieces, `"`+escaped(string(piece), '"')+`"`)
	}
	return `String.join("", ` + strings.Join(pieces, ",\n      ") + ")"
}

func (java) pem(text string) string {
	return "\"\"\"\n      " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n      ") + "\"\"\""
}

// constant writes `sharedKey` as SHARED_KEY.
func (java) constant(name string) string {
	var s strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			s.WriteByte('_')
		}
		s.WriteRune(unicode.ToUpper(r))
	}
	return s.String()
}

func (j java) header(name string) string { return "HEADERS.get(" + j.quote(name) + ")" }

func (java) bytes(name, value string) string { return "byte[] " + name + " = " + value + ";" }

func (java) text(name, value string) string { return "String " + name + " = " + value + ";" }

func (j java) variable(name, value string) string { return j.text(name, value) }

func (j java) match(names []string, pattern, text string) []string {
	matcher := "in" + strings.ToUpper(names[0][:1]) + names[0][1:]
	lines := []string{
		fmt.Sprintf("Matcher %s = Pattern.compile(%s, Pattern.DOTALL).matcher(%s);", matcher, j.quote(pattern), text),
		j.check(matcher+".matches()", "it is not written as agreed"),
	}
	for i, name := range names {
		lines = append(lines, j.text(name, fmt.Sprintf("%s.group(%d)", matcher, i+1)))
	}
	return lines
}

func (j java) each(name, document string, paths [][]string, lines []string) []string {
	loops := []string{}
	for _, path := range paths {
		loops = append(loops, "    {"+strings.Join(quoteAll(j, path), ", ")+"},")
	}
	all := append(append([]string{"String[][] paths = {"}, loops...), "};",
		"for (String[] path : paths) {", "  for (String "+name+" : find("+document+", path)) {")
	for _, line := range lines {
		all = append(all, "    "+line)
	}
	return append(all, "  }", "}")
}

func (java) passOver(name string) string { return "if (" + name + ".isEmpty()) continue;" }

func (java) substitute(text, old, by string) string {
	return fmt.Sprintf("%s.replace(%s, %s)", text, old, by)
}

func (j java) check(condition, what string) string {
	return fmt.Sprintf("if (!%s) throw new GeneralSecurityException(%s);", condition, j.quote(what))
}

func (j java) first(text, separator string) string {
	return text + ".split(Pattern.quote(" + j.quote(separator) + "))[0]"
}

func (java) decode(e encoding, text string) string {
	switch e {
	case inBase64URL:
		return "Base64.getUrlDecoder().decode(" + text + ")"
	case inHex, inHexUpper:
		return "HexFormat.of().parseHex(" + text + ")"
	case inUTF8:
		return receiver(text) + ".getBytes(StandardCharsets.UTF_8)"
	case inLatin1:
		return receiver(text) + ".getBytes(StandardCharsets.ISO_8859_1)"
	case inLines:
		return "Base64.getMimeDecoder().decode(" + text + ")"
	default:
		return "Base64.getDecoder().decode(" + text + ")"
	}
}

// receiver puts a sum in parentheses, so that a method can be called on it.
func receiver(text string) string {
	outside := text
	if strings.HasPrefix(text, `"`) {
		outside = strings.ReplaceAll(text, `\"`, "x")
		if !strings.Contains(outside, `" + `) {
			return text
		}
	}
	if strings.Contains(outside, " + ") {
		return "(" + text + ")"
	}
	return text
}

func (java) encode(e encoding, bytes string) string {
	switch e {
	case inBase64URL:
		return "Base64.getUrlEncoder().withoutPadding().encodeToString(" + bytes + ")"
	case inHex:
		return "HexFormat.of().formatHex(" + bytes + ")"
	case inHexUpper:
		return "HexFormat.of().withUpperCase().formatHex(" + bytes + ")"
	case inUTF8:
		return "new String(" + bytes + ", StandardCharsets.UTF_8)"
	case inLatin1:
		return "new String(" + bytes + ", StandardCharsets.ISO_8859_1)"
	default:
		return "Base64.getEncoder().encodeToString(" + bytes + ")"
	}
}

func (java) lower(text string) string { return text + ".toLowerCase(Locale.ROOT)" }
func (java) upper(text string) string { return text + ".toUpperCase(Locale.ROOT)" }

func (java) slice(bytes, from, to string) string {
	if from == "0" && to != "" {
		return fmt.Sprintf("Arrays.copyOf(%s, %s)", bytes, to)
	}
	if to == "" {
		to = bytes + ".length"
	}
	return fmt.Sprintf("Arrays.copyOfRange(%s, %s, %s)", bytes, from, to)
}

func (java) concat(bytes []string) string {
	if len(bytes) == 1 {
		return bytes[0]
	}
	return call("concat", bytes...)
}

func (java) zeros(n int) string { return fmt.Sprintf("new byte[%d]", n) }

func (j java) hash(h allowlistv1.Hash) string {
	name := strings.TrimPrefix(h.String(), "HASH_")
	if bits, ok := strings.CutPrefix(name, "SHA"); ok {
		name = "SHA-" + bits
	}
	return j.quote(name)
}

// imports are the classes that programs may name, by package.
func imports() map[string][]string {
	return map[string][]string{
		"java.io":          {"ByteArrayOutputStream"},
		"java.net":         {"URLDecoder", "URLEncoder"},
		"java.nio":         {"ByteBuffer"},
		"java.nio.charset": {"StandardCharsets"},
		"java.security":    {"GeneralSecurityException", "KeyFactory", "MessageDigest", "PrivateKey", "PublicKey", "Signature"},
		"java.security.spec": {
			"MGF1ParameterSpec", "PKCS8EncodedKeySpec", "PSSParameterSpec", "X509EncodedKeySpec",
		},
		"java.util":         {"ArrayList", "Arrays", "Base64", "HexFormat", "LinkedHashMap", "List", "Locale", "Map"},
		"java.util.regex":   {"Matcher", "Pattern"},
		"javax.crypto":      {"Cipher", "KeyAgreement", "Mac"},
		"javax.crypto.spec": {"GCMParameterSpec", "IvParameterSpec", "OAEPParameterSpec", "PSource", "SecretKeySpec"},
	}
}

// source puts a program together.
func (j java) source(p *program) string {
	var s strings.Builder
	s.WriteString("\n/**\n * Opens a message that was made with throw-away keys, and prints the plaintext.\n")
	s.WriteString(" * Java 17 or newer, without packages: java Open.java\n */\npublic class Open {\n")
	for _, c := range p.constants {
		typ := "String"
		if c.bytes {
			typ = "byte[]"
		}
		fmt.Fprintf(&s, "  // %s\n  static final %s %s = %s;\n\n", c.comment, typ, j.constant(c.name), c.value)
	}
	if len(p.Headers) > 0 {
		s.WriteString("  // The headers that came with it.\n  static final Map<String, String> HEADERS = Map.ofEntries(\n")
		for i, h := range p.Headers {
			end := ",\n"
			if i == len(p.Headers)-1 {
				end = ");\n\n"
			}
			fmt.Fprintf(&s, "      Map.entry(%s, %s)%s", j.quote(h.Name), j.quote(h.Value), end)
		}
	}
	write := "System.out.write(plaintext);"
	if p.textual() {
		write = "System.out.write(plaintext.getBytes(StandardCharsets.UTF_8));"
	}
	p.main = append(p.main, write, "System.out.flush();")
	s.WriteString("  public static void main(String[] args) throws Exception {\n" + indented("    ", p.main) + "  }\n")
	if p.opens != nil {
		s.WriteString("\n  /** Opens a protected value. */\n  static byte[] open(String text) throws Exception {\n")
		s.WriteString(indented("    ", p.opens) + "  }\n")
	}
	called := functions(read("Open.java"), p.code())
	for _, function := range called {
		s.WriteString("\n" + function + "\n")
	}
	s.WriteString("}\n")
	all := strings.Join(append(called, p.code()), "\n")
	if len(p.Headers) > 0 {
		all += " Map"
	}
	return imported(all) + s.String()
}

// imported writes the imports for what code names.
func imported(code string) string {
	var lines []string
	for pkg, classes := range imports() {
		for _, class := range classes {
			if regexp.MustCompile(`\b` + class + `\b`).MatchString(code) {
				lines = append(lines, "import "+pkg+"."+class+";\n")
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
