package network

import (
	"net/netip"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var subnets = Subnets{
	Pods:     netip.MustParsePrefix("10.244.0.0/16"),
	Services: netip.MustParsePrefix("10.96.0.0/16"),
}

const here = "worker"

func pod(namespace, name, address string, labels map[string]string) *core.Pod {
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: core.PodSpec{
			NodeName: here,
			Containers: []core.Container{{Ports: []core.ContainerPort{
				{Name: "client", ContainerPort: 4222},
				{Name: "dns", ContainerPort: 53, Protocol: core.ProtocolUDP},
			}}},
		},
		Status: core.PodStatus{PodIP: address, Phase: core.PodRunning},
	}
}

func on(node string, pod *core.Pod) *core.Pod {
	pod.Spec.NodeName = node
	return pod
}

func policy(namespace, name string, spec networking.NetworkPolicySpec) *networking.NetworkPolicy {
	return &networking.NetworkPolicy{ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
}

func labelled(labels map[string]string) *meta.LabelSelector {
	return &meta.LabelSelector{MatchLabels: labels}
}

func tcp(port intstr.IntOrString) networking.NetworkPolicyPort {
	return networking.NetworkPolicyPort{Port: &port}
}

// Two namespaces: `bus` with a server on this node and one elsewhere, `users` with a client here.
func pods() []*core.Pod {
	return []*core.Pod{
		pod("bus", "server-0", "10.244.1.2", map[string]string{"app": "server"}),
		on("worker2", pod("bus", "server-1", "10.244.2.2", map[string]string{"app": "server"})),
		pod("users", "client", "10.244.1.3", map[string]string{"app": "client"}),
	}
}

func namespaces() []*core.Namespace {
	named := func(name, team string) *core.Namespace {
		return &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
	}
	return []*core.Namespace{named("bus", "platform"), named("users", "science")}
}

func rules(t *testing.T, policies ...*networking.NetworkPolicy) string {
	t.Helper()
	chains, jumps, err := newCluster(pods(), namespaces(), policies).policyRules(here)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(chains, jumps...), "\n")
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestWithoutPoliciesNothingIsHeldBack(t *testing.T) {
	same(t, rules(t), "")
}

func TestAnEmptyPolicyHoldsBackEverythingThatEntersItsNamespace(t *testing.T) {
	same(t, rules(t, policy("bus", "nothing", networking.NetworkPolicySpec{})), `
chain to_10_244_1_2 {
  comment "bus/server-0"
  counter drop
}
ip daddr 10.244.1.2 jump to_10_244_1_2`)
}

func TestPeersAreChosenByPodAndNamespaceAndPort(t *testing.T) {
	servers, science := labelled(map[string]string{"app": "server"}), labelled(map[string]string{"team": "science"})
	same(t, rules(t, policy("bus", "servers", networking.NetworkPolicySpec{
		PodSelector: *servers,
		Ingress: []networking.NetworkPolicyIngressRule{
			{From: []networking.NetworkPolicyPeer{{PodSelector: servers}}},
			{
				From:  []networking.NetworkPolicyPeer{{NamespaceSelector: science, PodSelector: labelled(map[string]string{"app": "client"})}},
				Ports: []networking.NetworkPolicyPort{tcp(intstr.FromString("client")), tcp(intstr.FromInt32(8222))},
			},
			{From: []networking.NetworkPolicyPeer{{NamespaceSelector: labelled(map[string]string{"team": "nobody"})}}},
		},
	})), `
chain to_10_244_1_2 {
  comment "bus/server-0"
  ip saddr { 10.244.1.2, 10.244.2.2 } return
  ip saddr { 10.244.1.3 } tcp dport 4222 return
  ip saddr { 10.244.1.3 } tcp dport 8222 return
  counter drop
}
ip daddr 10.244.1.2 jump to_10_244_1_2`)
}

func TestEgressResolvesANamedPortAtEachPodThatIsSpokenTo(t *testing.T) {
	udp := core.ProtocolUDP
	dns := intstr.FromString("dns")
	last := int32(4230)
	block := &networking.IPBlock{CIDR: "172.18.0.0/16", Except: []string{"172.18.0.1/32"}}
	same(t, rules(t, policy("users", "out", networking.NetworkPolicySpec{
		PolicyTypes: []networking.PolicyType{networking.PolicyTypeEgress},
		Egress: []networking.NetworkPolicyEgressRule{
			{
				To:    []networking.NetworkPolicyPeer{{NamespaceSelector: labelled(map[string]string{"team": "platform"})}},
				Ports: []networking.NetworkPolicyPort{{Port: &dns, Protocol: &udp}},
			},
			{
				To:    []networking.NetworkPolicyPeer{{IPBlock: block}},
				Ports: []networking.NetworkPolicyPort{{Port: new(intstr.FromInt32(4222)), EndPort: &last}},
			},
			{Ports: []networking.NetworkPolicyPort{{Protocol: &udp}}},
		},
	})), `
chain from_10_244_1_3 {
  comment "users/client"
  ip daddr 10.244.1.2 udp dport 53 return
  ip daddr 10.244.2.2 udp dport 53 return
  ip daddr 172.18.0.0/16 ip daddr != { 172.18.0.1/32 } tcp dport 4222-4230 return
  meta l4proto udp return
  counter drop
}
ip saddr 10.244.1.3 jump from_10_244_1_3`)
}

func TestANameThatThePodHasNotOpensNothing(t *testing.T) {
	same(t, rules(t, policy("bus", "metrics", networking.NetworkPolicySpec{
		Ingress: []networking.NetworkPolicyIngressRule{{Ports: []networking.NetworkPolicyPort{tcp(intstr.FromString("metrics"))}}},
	})), `
chain to_10_244_1_2 {
  comment "bus/server-0"
  counter drop
}
ip daddr 10.244.1.2 jump to_10_244_1_2`)
}

func TestPodsThatEndedOrShareTheNodesAddressAreNeitherHeldBackNorPeers(t *testing.T) {
	all := pods()
	all[0].Status.Phase = core.PodSucceeded
	all[1].Spec.HostNetwork = true
	everyPod := networking.NetworkPolicySpec{Ingress: []networking.NetworkPolicyIngressRule{
		{From: []networking.NetworkPolicyPeer{{NamespaceSelector: &meta.LabelSelector{}}}},
	}}
	found := newCluster(all, namespaces(), []*networking.NetworkPolicy{policy("bus", "all", everyPod), policy("users", "all", everyPod)})
	chains, _, err := found.policyRules(here)
	if err != nil {
		t.Fatal(err)
	}
	same(t, strings.Join(chains, "\n"), `
chain to_10_244_1_3 {
  comment "users/client"
  ip saddr { 10.244.1.3 } return
  counter drop
}`)
}

func TestTheWholeTable(t *testing.T) {
	text, err := newCluster(pods(), namespaces(), []*networking.NetworkPolicy{policy("bus", "nothing", networking.NetworkPolicySpec{})}).
		table(here, subnets)
	if err != nil {
		t.Fatal(err)
	}
	same(t, text, `
table ip testbed
delete table ip testbed
table ip testbed {
  chain to_10_244_1_2 {
    comment "bus/server-0"
    counter drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ip daddr 10.96.0.0/16 reject with icmp host-unreachable
    ip daddr 10.244.1.2 jump to_10_244_1_2
  }
  chain output {
    type filter hook output priority filter; policy accept;
    ip daddr 10.96.0.0/16 reject with icmp host-unreachable
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 masquerade
  }
}`)
}
