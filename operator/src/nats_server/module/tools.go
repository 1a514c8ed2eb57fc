//go:build tools

// Package module pins the nats-server that is built where none is installed.
package module

import _ "github.com/nats-io/nats-server/v2"
