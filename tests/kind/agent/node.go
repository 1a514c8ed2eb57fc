package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"svom.eu/messaging/tests/kind/agent/converge"
	"svom.eu/messaging/tests/kind/agent/network"
	"svom.eu/messaging/tests/kind/agent/storage"
)

// readyFile is made when the node can take pods with volumes. It goes with its container.
const readyFile = "/ready"

const lookAgain = 200 * time.Millisecond

type nodeOptions struct {
	name         string
	kubelet      string
	folders      storage.Folders
	network      bool
	loadBalancer bool
	subnets      network.Subnets
}

func parseNode(words []string) (nodeOptions, error) {
	options := nodeOptions{}
	flags := flag.NewFlagSet("node", flag.ContinueOnError)
	flags.StringVar(&options.name, "node", os.Getenv("NODE_NAME"), "this node's name")
	flags.StringVar(&options.kubelet, "kubelet", "/var/lib/kubelet", "the kubelet's folder, with the same path in the node")
	addFolders(flags, &options.folders)
	flags.BoolVar(&options.network, "network", false, "this node has no other pod network")
	flags.BoolVar(&options.loadBalancer, "load-balancer", false, "answer for addresses of LoadBalancers")
	flags.TextVar(&options.subnets.Pods, "pod-subnet", netip.MustParsePrefix("10.244.0.0/16"), "the addresses of all pods")
	flags.TextVar(&options.subnets.Services, "service-subnet", netip.MustParsePrefix("10.96.0.0/16"), "the addresses of all Services")
	if err := flags.Parse(words); err != nil {
		return options, err
	}
	if options.name == "" {
		return options, fmt.Errorf("this node's name is not known: give --node or set NODE_NAME")
	}
	return options, nil
}

func addFolders(flags *flag.FlagSet, folders *storage.Folders) {
	flags.StringVar(&folders.Local, "local-folder", "/var/local/testbed/local", "the files of volumes that are bound to the node")
	flags.StringVar(&folders.Shared, "shared-folder", "", "the files of volumes that follow their pod; none where it is empty")
}

func runNode(ctx context.Context, words []string) error {
	options, err := parseNode(words)
	if err != nil {
		return err
	}
	cluster, err := newCluster()
	if err != nil {
		return err
	}
	var pods atomic.Bool
	pods.Store(!options.network)
	if err := addNodeParts(cluster, options, func() { pods.Store(true) }); err != nil {
		return err
	}
	driver := &storage.NodeDriver{Node: options.name, Folders: options.folders, Kubelet: options.kubelet}
	go markReady(ctx, func() bool { return driver.Registered() && pods.Load() })
	return converge.Together(ctx, driver.Serve, cluster.run)
}

func addNodeParts(cluster *cluster, options nodeOptions, networkDone func()) error {
	nothing := func() {}
	if options.network {
		part := &network.Network{
			Node:          options.name,
			Subnets:       options.subnets,
			RuntimeFolder: "/etc/cni/net.d",
			RunFolder:     "/run/testbed",
		}
		if err := cluster.add("pod network", part, networkDone); err != nil {
			return err
		}
	}
	if options.loadBalancer {
		if err := cluster.add("addresses of LoadBalancers", &network.Announcer{Node: options.name}, nothing); err != nil {
			return err
		}
	}
	provisioner := &storage.Provisioner{
		Node:    options.name,
		Folders: options.folders,
		Client:  cluster.client,
		Events:  cluster.events(),
	}
	return cluster.add("volumes", provisioner, nothing)
}

// markReady makes the file that the probe looks for.
func markReady(ctx context.Context, ready func() bool) {
	for !ready() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookAgain):
		}
	}
	if err := os.WriteFile(readyFile, nil, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "error: tell the probe:", err)
	}
}

func checkReady() error {
	if _, err := os.Stat(readyFile); err != nil {
		return fmt.Errorf("not ready: the kubelet has not taken the driver, or the network is not set")
	}
	return nil
}
