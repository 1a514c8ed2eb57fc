//go:build tools

// Package module pins the nats-server of the minor before the product's own: what a bus is upgraded
// from.
package module

import _ "github.com/nats-io/nats-server/v2"
