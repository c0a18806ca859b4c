package client

// Repeatable is for tests that go through the contract.
var Repeatable = repeatable
