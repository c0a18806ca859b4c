package client

// Repeatable is for tests that check all methods of the contract.
var Repeatable = repeatable
