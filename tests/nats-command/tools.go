//go:build tools

// Package tools pins the `nats` command that the tests try credentials with.
package tools

import _ "github.com/nats-io/natscli/nats"
