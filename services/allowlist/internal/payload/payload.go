// Package payload encrypts, decrypts and signs the bodies of messages as an
// endpoint's configuration says.
//
// [Parse] checks a configuration as a whole and compiles it once; the [Config]
// is immutable and may be used from many goroutines. [Config.Pipeline] gives the
// compiled form of one direction, which tells what keys it needs and then works
// on bytes. A pipeline has four parts that know nothing of each other:
//
//	selection   where in the body the bytes are       (the body, JSON values)
//	cipher      what is done to them                  (AES in GCM, CBC)
//	envelope    how the result is written, and read   (blobs, text, JSON)
//	signing     what is said about the bytes sent     (HMAC)
//
// # Promises
//
// A key's bytes reach an output only through a cipher or a MAC: keys go into
// the cipher and signing parts, and nothing else sees them.
//
// What cannot be encrypted as configured is refused (BODY_NOT_ENCRYPTABLE) and
// never passed on. What a partner sent and does not open is DECRYPTION_FAILED,
// one answer for layout, encoding, padding and tag. No error repeats input.
//
// Everything outside the selected values keeps its exact bytes.
//
// The package knows nothing of callers, of the vault or of transports; time and
// randomness are parameters.
package payload
