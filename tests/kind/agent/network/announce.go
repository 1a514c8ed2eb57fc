package network

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

const (
	loopback = "lo"
	// announced marks the addresses that the agent has added.
	announced = loopback + ":testbed"
	// excluded is the label of nodes that LoadBalancers leave out, as control planes have it.
	excluded = core.LabelNodeExcludeBalancers
)

// Announcer gives this node the addresses of the LoadBalancers that it is to answer for, so that what
// is outside the cluster but on the nodes' network finds them. What to do with the packets is
// kube-proxy's business.
type Announcer struct {
	// Node is this node's name.
	Node string

	nodes    corelisters.NodeLister
	services corelisters.ServiceLister
}

// Watch chooses what the announcer looks at. It comes before the factory starts.
func (a *Announcer) Watch(factory informers.SharedInformerFactory) []cache.SharedIndexInformer {
	nodes, services := factory.Core().V1().Nodes(), factory.Core().V1().Services()
	a.nodes, a.services = nodes.Lister(), services.Lister()
	return []cache.SharedIndexInformer{nodes.Informer(), services.Informer()}
}

// Step adds and removes addresses.
func (a *Announcer) Step(context.Context) error {
	nodes, err := a.nodes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	services, err := a.services.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the services: %w", err)
	}
	return setAddresses(addressesFor(a.Node, nodes, services))
}

// addressesFor are the LoadBalancers' addresses that one node answers for. Each address has one node
// among those that are ready, and keeps it as long as that one is.
func addressesFor(here string, nodes []*core.Node, services []*core.Service) []netip.Addr {
	var ready []string
	for _, node := range nodes {
		if _, out := node.Labels[excluded]; !out && isReady(node) {
			ready = append(ready, node.Name)
		}
	}
	var wanted []netip.Addr
	for _, service := range services {
		for _, given := range service.Status.LoadBalancer.Ingress {
			address, err := netip.ParseAddr(given.IP)
			if err == nil && address.Is4() && !slices.Contains(wanted, address) && answering(given.IP, ready) == here {
				wanted = append(wanted, address)
			}
		}
	}
	return wanted
}

func isReady(node *core.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c core.NodeCondition) bool {
		return c.Type == core.NodeReady && c.Status == core.ConditionTrue
	})
}

// answering chooses the node for an address, so that the loss of another node changes nothing.
func answering(address string, nodes []string) string {
	weight := func(node string) uint32 {
		sum := fnv.New32a()
		sum.Write([]byte(address + " " + node))
		return sum.Sum32()
	}
	chosen := ""
	for _, node := range nodes {
		if chosen == "" || weight(node) > weight(chosen) {
			chosen = node
		}
	}
	return chosen
}

func setAddresses(wanted []netip.Addr) error {
	link, err := netlink.LinkByName(loopback)
	if err != nil {
		return fmt.Errorf("find the interface %s: %w", loopback, err)
	}
	held, err := netlink.AddrList(link, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("list the addresses of %s: %w", loopback, err)
	}
	var present []netip.Addr
	var failures []error
	for _, address := range held {
		if address.Label != announced {
			continue
		}
		parsed, _ := netip.AddrFromSlice(address.IP.To4())
		if slices.Contains(wanted, parsed) {
			present = append(present, parsed)
			continue
		}
		if err := netlink.AddrDel(link, &address); err != nil {
			failures = append(failures, fmt.Errorf("give up the address %s: %w", parsed, err))
		}
	}
	for _, address := range wanted {
		if slices.Contains(present, address) {
			continue
		}
		one := &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(address.BitLen(), address.BitLen())}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: one, Label: announced}); err != nil {
			failures = append(failures, fmt.Errorf("take the address %s: %w", address, err))
		}
	}
	return errors.Join(failures...)
}
