// Package loadbalancer gives Services of type LoadBalancer an address of the nodes' network.
//
// In: the Services, and the network that the node is on. Out: an address in each such Service's status.
// Which node answers for it is decided by the nodes.
package loadbalancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// poolSize is how many addresses there are at most.
const poolSize = 200

// Balancer gives out addresses.
type Balancer struct {
	Client kubernetes.Interface
	// Network is the one that the nodes are on.
	Network netip.Prefix

	services corelisters.ServiceLister
}

// Watch chooses what the balancer looks at. It comes before the factory starts.
func (b *Balancer) Watch(factory informers.SharedInformerFactory) []cache.SharedIndexInformer {
	services := factory.Core().V1().Services()
	b.services = services.Lister()
	return []cache.SharedIndexInformer{services.Informer()}
}

// Step gives an address to each Service that waits for one.
func (b *Balancer) Step(ctx context.Context) error {
	services, err := b.services.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list the services: %w", err)
	}
	given, unserved := assign(services, pool(b.Network))
	var failures []error
	for _, assignment := range given {
		failures = append(failures, b.give(ctx, assignment))
	}
	for _, name := range unserved {
		failures = append(failures, fmt.Errorf("service %s: no address of %s is free", name, b.Network))
	}
	return errors.Join(failures...)
}

func (b *Balancer) give(ctx context.Context, to assignment) error {
	ingress := []core.LoadBalancerIngress{{IP: to.address.String()}}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}}})
	if err != nil {
		return fmt.Errorf("write the status of service %s: %w", to.service, err)
	}
	_, err = b.Client.CoreV1().Services(to.service.Namespace).
		Patch(ctx, to.service.Name, types.MergePatchType, patch, meta.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("give service %s the address %s: %w", to.service, to.address, err)
	}
	slog.Info("address given", "service", to.service.String(), "address", to.address.String())
	return nil
}

type assignment struct {
	service types.NamespacedName
	address netip.Addr
}

// assign chooses addresses for the Services that wait for one, and names those for which none is left.
func assign(services []*core.Service, pool []netip.Addr) (given []assignment, unserved []string) {
	taken := map[string]bool{}
	var waiting []*core.Service
	for _, service := range services {
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			taken[ingress.IP] = true
		}
		if waits(service) {
			waiting = append(waiting, service)
		}
	}
	slices.SortFunc(waiting, func(a, b *core.Service) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	free := slices.DeleteFunc(slices.Clone(pool), func(a netip.Addr) bool { return taken[a.String()] })
	for _, service := range waiting {
		name := types.NamespacedName{Namespace: service.Namespace, Name: service.Name}
		if len(free) == 0 {
			unserved = append(unserved, name.String())
			continue
		}
		given = append(given, assignment{service: name, address: free[0]})
		free = free[1:]
	}
	return given, unserved
}

func waits(service *core.Service) bool {
	return service.Spec.Type == core.ServiceTypeLoadBalancer && service.Spec.LoadBalancerClass == nil &&
		service.DeletionTimestamp == nil && len(service.Status.LoadBalancer.Ingress) == 0
}

// pool are the last addresses of a network but its broadcast address, from the lowest. A container
// engine gives addresses to nodes from the network's other end.
func pool(network netip.Prefix) []netip.Addr {
	size := 1 << (network.Addr().BitLen() - network.Bits())
	last := network.Masked().Addr().As4()
	for bit := range network.Addr().BitLen() - network.Bits() {
		last[3-bit/8] |= 1 << (bit % 8)
	}
	var found []netip.Addr
	for address := netip.AddrFrom4(last).Prev(); len(found) < min(poolSize, size/4); address = address.Prev() {
		found = append(found, address)
	}
	slices.Reverse(found)
	return found
}

// NetworkOf is the network of the interface that has this address.
func NetworkOf(address netip.Addr) (netip.Prefix, error) {
	held, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("list the node's addresses: %w", err)
	}
	for _, one := range held {
		prefix, err := netip.ParsePrefix(one.String())
		if err == nil && prefix.Addr() == address {
			return prefix.Masked(), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no interface has the node's address %s", address)
}
