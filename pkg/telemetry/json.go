package telemetry

import "encoding/json"

// AppendJSON appends a text as a JSON string. Nearly all texts of a server are the same in JSON, so
// that it rarely needs the encoder.
func AppendJSON(line []byte, text string) []byte {
	if plain(text) {
		return append(append(append(line, '"'), text...), '"')
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return append(line, `""`...) // strings always encode
	}
	return append(line, quoted...)
}
