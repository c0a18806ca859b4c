// Package payload encrypts, decrypts, signs, and verifies the bodies of messages as the
// configuration of an endpoint specifies.
//
// [Parse] checks a configuration as a whole and compiles it once. The [Config] is immutable and
// safe for concurrent use. [Config.Pipeline] returns the compiled form of one direction, which
// reports the keys that it needs and then works on bytes:
//
//	            ┌──────────── for each selected value ────────────┐
//	body ─ selection ─ nested JWS ─ kind ─────── envelope ─ selection ─ body, headers ─ signing
//	                                cipher       blobs, templates,
//	                                RSA          headers
//	                                JWE, OpenPGP, CMS
//	                                the bytes
//
// # Packages
//
// Dependencies point down this list.
//
//   - payload: [Config], [Pipeline], and the types of a message.
//   - compile: checks a configuration and compiles a plan of each direction.
//   - kind: the encryption of a value: a cipher, RSA, JWE, OpenPGP, CMS. envelope: where its parts are
//     placed in a body or a header. signing: signatures with the keys of a message. derive: keys
//     that are derived from secrets.
//   - message: one message with its keys, its work, and its stages.
//   - safety, purpose: which choices are unsafe, and what keys are used for.
//   - describe: what a configuration means, read in one place. keyfit: the requirements of a key.
//   - symmetric: ciphers, modes, padding, MACs, and random IVs. A new cipher goes here.
//   - expression: the strings that are signed, from templates and expressions.
//   - keys, jose, pgp, cms, signature, selection, template, jsonbytes, slowwork: libraries that do not
//     know about configurations.
//
// # Promises
//
// The bytes of a key reach an output only through a cipher, a MAC, a derivation, a digest, or a
// signature. A secret that is sent as it is, or that could be computed from all other secrets, is
// a parameter ([UsageAt]); a test tries this for each place of a reference. One use of a key may
// be an oracle for another. Each reference therefore carries the [Purpose] of its KEY, which is
// everything that the configuration does with it, and the vault requires the same purpose from all
// configurations.
//
// No two values are encrypted under the same key and IV in a mode where that reveals them. How
// often keys, salts, and IVs are generated depends on where they are sent, and is decided in one
// place (package describe). So is the list of unsafe choices that must be acknowledged
// ([UnsafeChoices]).
//
// No key is used for more values than its random IVs allow. The number of random bits that
// distinguish two values is decided in one place, too ([RandomBits]), and [Input].Nonces counts
// the values before they are encrypted.
//
// Another key is only tried if the scheme tells a wrong key from a right one: CBC without a MAC
// never tries a second key.
//
// A body that cannot be encrypted as configured is refused (BODY_NOT_ENCRYPTABLE) and never passed
// on. Messages of a partner that fail to decrypt return DECRYPTION_FAILED, the same error for
// layout, encoding, keys, padding, and tag; [Stage] is for the owners of the endpoint. No error
// repeats input.
//
// Everything outside the selected values keeps its exact bytes.
//
// The cost of a message is bounded: memory by the body, to about four times its size including the
// result, and slow work (derivations, private keys) to two seconds in total. Package slowwork
// bounds the number of concurrent slow messages.
//
// The package knows nothing of callers, the vault, or transports. Time and randomness are
// parameters.
package payload
