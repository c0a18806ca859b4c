// Package safety is the table of what a profile gives away: which of its choices are unsafe and
// have to be acknowledged ([UnsafeChoices]), what owners learn who test it with live keys
// ([Oracle]), what observers learn from where messages stop ([Unauthenticated]), and for how
// many values a key is good ([RandomBits]).
//
// It reads descriptions and no messages.
package safety
