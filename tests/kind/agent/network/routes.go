package network

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
)

// ours marks the routes that the agent has set, among others'.
const ours = netlink.RouteProtocol(212)

// routesFor are the ways to the pods of every other node: their addresses, by the node's.
func routesFor(here string, nodes []*core.Node) map[netip.Prefix]netip.Addr {
	wanted := map[netip.Prefix]netip.Addr{}
	for _, node := range nodes {
		pods, err := netip.ParsePrefix(node.Spec.PodCIDR)
		gateway := internalAddress(node)
		if node.Name == here || err != nil || !pods.Addr().Is4() || !gateway.Is4() {
			continue
		}
		wanted[pods] = gateway
	}
	return wanted
}

func internalAddress(node *core.Node) netip.Addr {
	for _, known := range node.Status.Addresses {
		if known.Type != core.NodeInternalIP {
			continue
		}
		if parsed, err := netip.ParseAddr(known.Address); err == nil && parsed.Is4() {
			return parsed
		}
	}
	return netip.Addr{}
}

// setRoutes sets the wanted routes and removes those of ours that are wanted no more.
func setRoutes(wanted map[netip.Prefix]netip.Addr) error {
	filter := &netlink.Route{Protocol: ours}
	present, err := netlink.RouteListFiltered(unix.AF_INET, filter, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list the routes: %w", err)
	}
	missing := maps.Clone(wanted)
	var failures []error
	for _, route := range present {
		prefix, gateway := routeOf(route)
		if wanted[prefix] == gateway && gateway.IsValid() {
			delete(missing, prefix)
			continue
		}
		if _, replaced := wanted[prefix]; replaced {
			continue
		}
		if err := netlink.RouteDel(&route); err != nil && !errors.Is(err, unix.ESRCH) {
			failures = append(failures, fmt.Errorf("remove the route to %s: %w", prefix, err))
		}
	}
	for prefix, gateway := range missing {
		route := &netlink.Route{
			Dst:      &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())},
			Gw:       gateway.AsSlice(),
			Protocol: ours,
		}
		if err := netlink.RouteReplace(route); err != nil {
			failures = append(failures, fmt.Errorf("set the route to %s by %s: %w", prefix, gateway, err))
		}
	}
	return errors.Join(failures...)
}

func routeOf(route netlink.Route) (netip.Prefix, netip.Addr) {
	gateway, _ := netip.AddrFromSlice(route.Gw.To4())
	if route.Dst == nil {
		return netip.Prefix{}, gateway
	}
	address, _ := netip.AddrFromSlice(route.Dst.IP.To4())
	bits, _ := route.Dst.Mask.Size()
	return netip.PrefixFrom(address, bits), gateway
}

// mtuOf is that of the interface that has this address.
func mtuOf(address netip.Addr) (int, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return 0, fmt.Errorf("list the interfaces: %w", err)
	}
	for _, device := range interfaces {
		held, err := device.Addrs()
		if err != nil {
			return 0, fmt.Errorf("list the addresses of %s: %w", device.Name, err)
		}
		if slices.ContainsFunc(held, func(a net.Addr) bool {
			prefix, err := netip.ParsePrefix(a.String())
			return err == nil && prefix.Addr() == address
		}) {
			return device.MTU, nil
		}
	}
	return 0, fmt.Errorf("no interface has the node's address %s", address)
}

// enableForwarding lets the node pass its pods' packets on.
func enableForwarding() error {
	const setting = "/proc/sys/net/ipv4/ip_forward"
	if held, err := os.ReadFile(setting); err == nil && string(held) == "1\n" {
		return nil
	}
	if err := os.WriteFile(setting, []byte("1\n"), 0o644); err != nil {
		return fmt.Errorf("enable forwarding: %w", err)
	}
	return nil
}
