//go:build goexperiment.runtimesecret

package memory

import "runtime/secret"

const erases = true

func do(f func()) { secret.Do(f) }
