package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"

	"svom.eu/messaging/tests/kind/agent/converge"
	"svom.eu/messaging/tests/kind/agent/loadbalancer"
	"svom.eu/messaging/tests/kind/agent/storage"
)

func runController(ctx context.Context, words []string) error {
	flags := flag.NewFlagSet("controller", flag.ContinueOnError)
	socket := flags.String("csi-socket", "/csi/csi.sock", "where the external-resizer calls")
	balance := flags.Bool("load-balancer", false, "give addresses to LoadBalancers")
	address := flags.String("node-address", os.Getenv("NODE_ADDRESS"), "this node's address, on the network that LoadBalancers get theirs of")
	var folders storage.Folders
	addFolders(flags, &folders)
	if err := flags.Parse(words); err != nil {
		return err
	}
	cluster, err := newCluster()
	if err != nil {
		return err
	}
	nothing := func() {}
	cleaner := &storage.Provisioner{Folders: folders, Client: cluster.client, Events: cluster.events()}
	if err := cluster.add("volumes that no node deletes", cleaner, nothing); err != nil {
		return err
	}
	if *balance {
		balancer, err := newBalancer(cluster, *address)
		if err != nil {
			return err
		}
		if err := cluster.add("LoadBalancers", balancer, nothing); err != nil {
			return err
		}
	}
	serve := func(ctx context.Context) error { return storage.ServeController(ctx, *socket) }
	return converge.Together(ctx, serve, cluster.run)
}

func newBalancer(cluster *cluster, address string) (*loadbalancer.Balancer, error) {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return nil, fmt.Errorf("this node's address is not known, give --node-address or set NODE_ADDRESS: %w", err)
	}
	network, err := loadbalancer.NetworkOf(parsed)
	if err != nil {
		return nil, err
	}
	return &loadbalancer.Balancer{Client: cluster.client, Network: network}, nil
}
