package sealing

// Opener is for tests with a known private key.
var Opener = opener
