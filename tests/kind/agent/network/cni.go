package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// conflist names the container runtime's plugins: a pair of interfaces for each pod whose packets the
// node routes, so that every packet of a pod, to its neighbour too, passes the node's forward hook.
func conflist(pods netip.Prefix, mtu int) ([]byte, error) {
	type object = map[string]any
	text, err := json.MarshalIndent(object{
		"cniVersion": "1.0.0",
		"name":       "testbed",
		"plugins": []object{
			{
				"type":   "ptp",
				"ipMasq": false,
				"mtu":    mtu,
				"ipam": object{
					"type": "host-local",
					// What was given out is forgotten when the node restarts, as its pods are.
					"dataDir": "/run/testbed/addresses",
					"routes":  []object{{"dst": "0.0.0.0/0"}},
					"ranges":  [][]object{{{"subnet": pods.String()}}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the CNI configuration: %w", err)
	}
	return append(text, '\n'), nil
}

// writeConflist puts the configuration where the container runtime looks. The file itself is below
// /run, and the runtime's folder has a link to it: after a restart of the node the link leads nowhere,
// so no pod starts before the agent has set routes and policies again.
func writeConflist(text []byte, runtimeFolder, runFolder string) error {
	const name = "10-testbed.conflist"
	file, link := filepath.Join(runFolder, name), filepath.Join(runtimeFolder, name)
	if held, err := os.ReadFile(link); err == nil && string(held) == string(text) {
		return nil
	}
	if err := os.MkdirAll(runFolder, 0o755); err != nil {
		return fmt.Errorf("make the folder of the CNI configuration: %w", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write the CNI configuration: %w", err)
	}
	// Made anew each time: the runtime watches this folder, and not where its links lead.
	unfinished := link + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("link the CNI configuration: %w", err)
	}
	if err := os.Symlink(file, unfinished); err != nil {
		return fmt.Errorf("link the CNI configuration: %w", err)
	}
	if err := os.Rename(unfinished, link); err != nil {
		return fmt.Errorf("link the CNI configuration: %w", err)
	}
	return nil
}
