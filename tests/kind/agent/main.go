// The testbed's agent: what a cluster for tests needs inside and kind does not have.
//
// `node` runs on every node: volumes, the pod network with its NetworkPolicies, LoadBalancer addresses.
// `controller` runs once: it gives out LoadBalancer addresses, cleans up volumes, and answers the
// external-resizer. `volume` makes a node's volumes fail, and is called in the node's pod. `ready` is
// the node's probe.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

const usage = "usage: testbed-agent node | controller | ready | volume list|stats|fill|unfill|shutdown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	err := dispatch(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return errors.New(usage)
	}
	switch words[0] {
	case "node":
		return runNode(ctx, words[1:])
	case "controller":
		return runController(ctx, words[1:])
	case "ready":
		return checkReady()
	case "volume":
		return runVolume(words[1:])
	}
	return fmt.Errorf("no command %q; %s", words[0], usage)
}
