// Package payload encrypts, decrypts, signs and verifies the bodies of messages as an
// endpoint's configuration says.
//
// [Parse] checks a configuration as a whole and compiles it once; the [Config]
// is immutable and may be used from many goroutines. [Config.Pipeline] gives the
// compiled form of one direction, which tells what keys it needs and then works
// on bytes:
//
//	            ┌──────────── for each selected value ────────────┐
//	body ─ selection ─ nested JWS ─ kind ─────── envelope ─ selection ─ body, headers ─ signing
//	                                cipher       blobs, templates,
//	                                RSA          headers
//	                                JWE, OpenPGP
//	                                the bytes
//
// # Where things are
//
// Dependencies point down this list.
//
//   - payload: [Config], [Pipeline], and the types of a message.
//   - compile: checks a configuration and makes a plan of each direction.
//   - kind: what is done to a value: a cipher, RSA, JWE, OpenPGP. envelope: how its parts stand
//     in a body or a header. signing: signatures with the keys of a message. derive: keys that are
//     made of secrets.
//   - message: one message with its keys, its work and its stages.
//   - safety, purpose: which choices are unsafe, and what keys are used for.
//   - describe: what a configuration means, read in one place. keyfit: what a key has to be.
//   - symmetric: ciphers, modes, padding, MACs and random IVs. A new cipher goes here.
//   - keys, jose, pgp, signature, selection, template, jsonbytes, slowwork: libraries that know
//     nothing of configurations.
//
// # Promises
//
// A key's bytes reach an output only through a cipher, a MAC, a derivation, a digest or
// a signature. What is sent as it is, or could be computed by who knows all other
// secrets, is a parameter ([UsageAt]); a test tries it for each place of a reference.
// One use of a key may be an oracle for another: so each reference tells the [Purpose] of its
// KEY, which is all that the configuration does with it, and the vault holds all
// configurations to the same.
//
// No two values are encrypted under the same key and IV in a mode where that gives them
// away. How often keys, salts and IVs are made anew is decided by where they are sent,
// in one place (package describe), and so is what is unsafe and has to be acknowledged
// ([UnsafeChoices]).
//
// Nor is a key used beyond the number of values that its random IVs allow: how many random
// bits tell two values apart is decided in one place, too ([RandomBits]), and [Input].Nonces
// counts them before they are encrypted.
//
// A wrong key is only tried where the scheme tells it from a right one: CBC without a
// MAC never tries another.
//
// What cannot be encrypted as configured is refused (BODY_NOT_ENCRYPTABLE) and
// never passed on. What a partner sent and does not open is DECRYPTION_FAILED,
// one answer for layout, encoding, keys, padding and tag; [Stage] is for its owners. No
// error repeats input.
//
// Everything outside the selected values keeps its exact bytes.
//
// What a message costs is bounded: memory by the body, in about four times its size
// with the result, and slow work (derivations, private keys) by two seconds in all. How
// many slow messages are under way at once is bounded by package slowwork.
//
// The package knows nothing of callers, of the vault or of transports; time and
// randomness are parameters.
package payload
