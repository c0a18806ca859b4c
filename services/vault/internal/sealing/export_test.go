package sealing

// Opener exports opener for tests with a known private key.
var Opener = opener
