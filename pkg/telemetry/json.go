package telemetry

import "encoding/json"

// AppendJSON appends a string in JSON. Nearly all strings of a server need no escaping, so it rarely
// needs the encoder.
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
