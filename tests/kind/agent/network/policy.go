package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// cluster is what policies are judged by.
type cluster struct {
	// pods are those that have an address of their own and still run, by address.
	pods       []*core.Pod
	namespaces map[string]labels.Set
	policies   []*networking.NetworkPolicy
}

func newCluster(pods []*core.Pod, namespaces []*core.Namespace, policies []*networking.NetworkPolicy) cluster {
	found := cluster{namespaces: map[string]labels.Set{}, policies: slices.Clone(policies)}
	for _, namespace := range namespaces {
		found.namespaces[namespace.Name] = namespace.Labels
	}
	for _, pod := range pods {
		ended := pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed
		if address(pod).Is4() && !pod.Spec.HostNetwork && !ended {
			found.pods = append(found.pods, pod)
		}
	}
	slices.SortFunc(found.pods, func(a, b *core.Pod) int { return address(a).Compare(address(b)) })
	slices.SortFunc(found.policies, func(a, b *networking.NetworkPolicy) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return found
}

func address(pod *core.Pod) netip.Addr {
	parsed, err := netip.ParseAddr(pod.Status.PodIP)
	if err != nil {
		return netip.Addr{}
	}
	return parsed
}

// side is one direction of a pod's traffic, as the rules for it are written.
type side struct {
	policyType networking.PolicyType
	// chain is the prefix of the pods' chains.
	chain string
	// pod and peer are the words for the packet's end that is the pod, and for the other.
	pod, peer string
}

var (
	ingress = side{policyType: networking.PolicyTypeIngress, chain: "to", pod: "ip daddr", peer: "ip saddr"}
	egress  = side{policyType: networking.PolicyTypeEgress, chain: "from", pod: "ip saddr", peer: "ip daddr"}
)

// opening is one rule of a policy, without its direction.
type opening struct {
	peers []networking.NetworkPolicyPeer
	ports []networking.NetworkPolicyPort
}

func (s side) openings(policy *networking.NetworkPolicy) []opening {
	var found []opening
	if s.policyType == networking.PolicyTypeIngress {
		for _, rule := range policy.Spec.Ingress {
			found = append(found, opening{rule.From, rule.Ports})
		}
		return found
	}
	for _, rule := range policy.Spec.Egress {
		found = append(found, opening{rule.To, rule.Ports})
	}
	return found
}

func (s side) governedBy(policy *networking.NetworkPolicy) bool {
	if len(policy.Spec.PolicyTypes) > 0 {
		return slices.Contains(policy.Spec.PolicyTypes, s.policyType)
	}
	return s.policyType == networking.PolicyTypeIngress || len(policy.Spec.Egress) > 0
}

// policyRules are the chains of this node's pods that policies select, and the rules that send packets
// to them. A chain returns what is allowed and drops what is left.
func (c cluster) policyRules(node string) (chains, jumps []string, err error) {
	for _, pod := range c.pods {
		if pod.Spec.NodeName != node {
			continue
		}
		for _, side := range []side{ingress, egress} {
			allowed, isolated, err := c.allowed(pod, side)
			if err != nil {
				return nil, nil, err
			}
			if !isolated {
				continue
			}
			name := side.chain + "_" + strings.ReplaceAll(address(pod).String(), ".", "_")
			lines := []string{fmt.Sprintf("chain %s {", name),
				fmt.Sprintf("  comment \"%s/%s\"", pod.Namespace, pod.Name)}
			for _, rule := range allowed {
				lines = append(lines, "  "+strings.TrimSpace(rule+" return"))
			}
			chains = append(chains, strings.Join(append(lines, "  counter drop", "}"), "\n"))
			jumps = append(jumps, fmt.Sprintf("%s %s jump %s", side.pod, address(pod), name))
		}
	}
	return chains, jumps, nil
}

// allowed is what the policies let through on one side of a pod; without any, nothing is held back.
func (c cluster) allowed(pod *core.Pod, side side) (rules []string, isolated bool, err error) {
	for _, policy := range c.policies {
		if policy.Namespace != pod.Namespace || !side.governedBy(policy) {
			continue
		}
		selects, err := matches(&policy.Spec.PodSelector, pod.Labels)
		if err != nil {
			return nil, false, fmt.Errorf("NetworkPolicy %s/%s: %w", policy.Namespace, policy.Name, err)
		}
		if !selects {
			continue
		}
		isolated = true
		for _, opening := range side.openings(policy) {
			more, err := c.rulesFor(opening, policy.Namespace, pod, side)
			if err != nil {
				return nil, false, fmt.Errorf("NetworkPolicy %s/%s: %w", policy.Namespace, policy.Name, err)
			}
			rules = append(rules, more...)
		}
	}
	return rules, isolated, nil
}

// rulesFor writes one opening as rules: each peer with each port. What is not named is anything.
func (c cluster) rulesFor(open opening, namespace string, pod *core.Pod, side side) ([]string, error) {
	everyone := len(open.peers) == 0
	blocks := []string{}
	var pods []*core.Pod
	for _, peer := range open.peers {
		if peer.IPBlock != nil {
			blocks = append(blocks, blockMatch(side, peer.IPBlock))
			continue
		}
		chosen, err := c.chosen(peer, namespace)
		if err != nil {
			return nil, err
		}
		pods = append(pods, chosen...)
	}
	var rules []string
	for _, port := range portsOr(open.ports) {
		matched := slices.Clone(blocks)
		switch {
		case everyone:
			matched = append(matched, "")
		case len(pods) > 0:
			matched = append(matched, side.peer+" "+addresses(pods))
		}
		if port.named() && side.policyType == networking.PolicyTypeEgress {
			rules = append(rules, c.namedEgress(port, pods, everyone)...)
			continue
		}
		ports, exists := port.match(pod)
		if !exists {
			continue
		}
		for _, peer := range matched {
			rules = append(rules, strings.TrimSpace(peer+" "+ports))
		}
	}
	return rules, nil
}

// namedEgress resolves a port's name at each pod that is spoken to. A name means nothing to an address
// that is no pod's.
func (c cluster) namedEgress(port port, pods []*core.Pod, everyone bool) []string {
	if everyone {
		pods = c.pods
	}
	var rules []string
	for _, peer := range pods {
		if match, exists := port.match(peer); exists {
			rules = append(rules, fmt.Sprintf("%s %s %s", egress.peer, address(peer), match))
		}
	}
	return rules
}

// chosen are the pods that a peer selects.
func (c cluster) chosen(peer networking.NetworkPolicyPeer, namespace string) ([]*core.Pod, error) {
	var found []*core.Pod
	for _, pod := range c.pods {
		if peer.NamespaceSelector == nil && pod.Namespace != namespace {
			continue
		}
		within, err := matches(peer.NamespaceSelector, c.namespaces[pod.Namespace])
		if err != nil {
			return nil, err
		}
		selected, err := matches(peer.PodSelector, labels.Set(pod.Labels))
		if err != nil {
			return nil, err
		}
		if within && selected {
			found = append(found, pod)
		}
	}
	return found, nil
}

// matches says whether a selector selects; one that is absent selects all.
func matches(selector *meta.LabelSelector, set labels.Set) (bool, error) {
	if selector == nil {
		return true, nil
	}
	parsed, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		return false, fmt.Errorf("its selector: %w", err)
	}
	return parsed.Matches(set), nil
}

func addresses(pods []*core.Pod) string {
	texts := make([]string, 0, len(pods))
	for _, pod := range pods {
		texts = append(texts, address(pod).String())
	}
	slices.Sort(texts)
	return "{ " + strings.Join(slices.Compact(texts), ", ") + " }"
}

func blockMatch(side side, block *networking.IPBlock) string {
	match := side.peer + " " + block.CIDR
	if len(block.Except) > 0 {
		match += fmt.Sprintf(" %s != { %s }", side.peer, strings.Join(block.Except, ", "))
	}
	return match
}

// port is a port of a policy; the zero value is every port of every protocol.
type port struct{ *networking.NetworkPolicyPort }

func portsOr(ports []networking.NetworkPolicyPort) []port {
	if len(ports) == 0 {
		return []port{{}}
	}
	found := make([]port, 0, len(ports))
	for i := range ports {
		found = append(found, port{&ports[i]})
	}
	return found
}

func (p port) named() bool {
	return p.NetworkPolicyPort != nil && p.Port != nil && p.Port.Type == intstr.String
}

// match is the port as a rule writes it, where its name, if it has one, is one of this pod's ports.
func (p port) match(pod *core.Pod) (text string, exists bool) {
	if p.NetworkPolicyPort == nil {
		return "", true
	}
	protocol := core.ProtocolTCP
	if p.Protocol != nil {
		protocol = *p.Protocol
	}
	word := strings.ToLower(string(protocol))
	if p.Port == nil {
		return "meta l4proto " + word, true
	}
	if !p.named() {
		number := strconv.Itoa(int(p.Port.IntVal))
		if p.EndPort != nil {
			number += "-" + strconv.Itoa(int(*p.EndPort))
		}
		return word + " dport " + number, true
	}
	for _, container := range pod.Spec.Containers {
		for _, offered := range container.Ports {
			if offered.Name == p.Port.StrVal && cmp.Or(offered.Protocol, core.ProtocolTCP) == protocol {
				return fmt.Sprintf("%s dport %d", word, offered.ContainerPort), true
			}
		}
	}
	return "", false
}
