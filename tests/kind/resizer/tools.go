//go:build tools

// Package tools pins the external-resizer, which tells the testbed's storage to grow a volume when
// its claim asks for more. It is a module of its own: it needs older libraries than the agent.
package tools

import _ "github.com/kubernetes-csi/external-resizer/cmd/csi-resizer"
