package secret

// MaxTwins is maxTwins for tests.
const MaxTwins = maxTwins
