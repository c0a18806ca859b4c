package secret

// MaxTwins exports maxTwins for tests.
const MaxTwins = maxTwins
