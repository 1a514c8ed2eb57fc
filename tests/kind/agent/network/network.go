// Package network is the testbed's pod network, for nodes that have no other: addresses for pods,
// routes between the nodes, one nftables table that enforces the NetworkPolicies, and on every kind of
// node the addresses of LoadBalancers.
//
// In: nodes, pods, namespaces, policies and Services as the API server tells of them. Out: this node's
// CNI configuration, routes, nftables table and additional addresses. What to write is decided by pure
// functions; only the steps act.
package network

import (
	"context"
	"fmt"
	"net/netip"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// Network is one node's pod network.
type Network struct {
	// Node is this node's name.
	Node    string
	Subnets Subnets
	// RuntimeFolder is where the container runtime looks for CNI configurations.
	RuntimeFolder string
	// RunFolder is lost when the node restarts, and has the same path in the node.
	RunFolder string

	applied    string
	nodes      corelisters.NodeLister
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networkinglisters.NetworkPolicyLister
}

// Watch chooses what the network looks at. It comes before the factory starts.
func (n *Network) Watch(factory informers.SharedInformerFactory) []cache.SharedIndexInformer {
	nodes, pods := factory.Core().V1().Nodes(), factory.Core().V1().Pods()
	namespaces, policies := factory.Core().V1().Namespaces(), factory.Networking().V1().NetworkPolicies()
	n.nodes, n.pods = nodes.Lister(), pods.Lister()
	n.namespaces, n.policies = namespaces.Lister(), policies.Lister()
	return []cache.SharedIndexInformer{nodes.Informer(), pods.Informer(), namespaces.Informer(), policies.Informer()}
}

// Step sets routes and policies, and then lets the container runtime start pods.
func (n *Network) Step(ctx context.Context) error {
	nodes, err := n.nodes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	here, err := n.nodes.Get(n.Node)
	if err != nil {
		return fmt.Errorf("find this node: %w", err)
	}
	if err := enableForwarding(); err != nil {
		return err
	}
	if err := setRoutes(routesFor(n.Node, nodes)); err != nil {
		return err
	}
	if err := n.setTable(ctx); err != nil {
		return err
	}
	return n.configureRuntime(here)
}

func (n *Network) setTable(ctx context.Context) error {
	pods, err := n.pods.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the pods: %w", err)
	}
	namespaces, err := n.namespaces.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the namespaces: %w", err)
	}
	policies, err := n.policies.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the policies: %w", err)
	}
	wanted, err := newCluster(pods, namespaces, policies).table(n.Node, n.Subnets)
	if err != nil || wanted == n.applied {
		return err
	}
	if err := applyTable(ctx, wanted); err != nil {
		return err
	}
	n.applied = wanted
	return nil
}

func (n *Network) configureRuntime(here *core.Node) error {
	pods, err := netip.ParsePrefix(here.Spec.PodCIDR)
	if err != nil {
		return fmt.Errorf("node %s has no range of addresses for its pods yet: %w", n.Node, err)
	}
	mtu, err := mtuOf(internalAddress(here))
	if err != nil {
		return err
	}
	text, err := conflist(pods, mtu)
	if err != nil {
		return err
	}
	return writeConflist(text, n.RuntimeFolder, n.RunFolder)
}
