package network

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// Subnets are the addresses that the cluster gives to its pods and Services.
type Subnets struct {
	Pods, Services netip.Prefix
}

// table writes the node's one nftables table. It is replaced as a whole, in one transaction.
//
// Traffic from the node to its own pods, as the kubelet's probes are, leaves by the output hook and
// meets no policy. Addresses of Services are translated before either hook: a packet that still
// carries one is for a Service that is not programmed yet, and is told so, for otherwise it would
// leave for an engine's network that knows no such address, and its sender would wait in vain.
func (c cluster) table(node string, subnets Subnets) (string, error) {
	chains, jumps, err := c.policyRules(node)
	if err != nil {
		return "", err
	}
	unprogrammed := fmt.Sprintf("ip daddr %s reject with icmp host-unreachable", subnets.Services)
	forward := append([]string{
		"type filter hook forward priority filter; policy accept;",
		"ct state established,related accept",
		unprogrammed,
	}, jumps...)
	output := []string{"type filter hook output priority filter; policy accept;", unprogrammed}
	leaving := []string{
		"type nat hook postrouting priority srcnat; policy accept;",
		fmt.Sprintf("ip saddr %s ip daddr != %s masquerade", subnets.Pods, subnets.Pods),
	}
	chains = append(chains, chain("forward", forward), chain("output", output), chain("postrouting", leaving))
	body := "  " + strings.ReplaceAll(strings.Join(chains, "\n"), "\n", "\n  ")
	return "table ip testbed\ndelete table ip testbed\ntable ip testbed {\n" + body + "\n}\n", nil
}

func chain(name string, rules []string) string {
	return fmt.Sprintf("chain %s {\n  %s\n}", name, strings.Join(rules, "\n  "))
}

// applyTable hands the text to nft.
func applyTable(ctx context.Context, text string) error {
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin = strings.NewReader(text)
	if output, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("replace the nftables table: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return nil
}
