// Package safety determines what a profile reveals: which of its choices are unsafe and must be
// acknowledged ([UnsafeChoices]), what owners learn from tests with live keys ([Oracle]), what
// observers learn from the stages at which messages fail ([Unauthenticated]), and how many values
// a key may encrypt ([RandomBits]).
//
// It reads descriptions, not messages.
package safety
