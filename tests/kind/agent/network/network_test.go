package network

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func node(name, pods, address string) *core.Node {
	return &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: name},
		Spec:       core.NodeSpec{PodCIDR: pods},
		Status: core.NodeStatus{
			Addresses: []core.NodeAddress{
				{Type: core.NodeHostName, Address: name},
				{Type: core.NodeInternalIP, Address: "fc00::2"},
				{Type: core.NodeInternalIP, Address: address},
			},
			Conditions: []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionTrue}},
		},
	}
}

func notReady(node *core.Node) *core.Node {
	node.Status.Conditions[0].Status = core.ConditionUnknown
	return node
}

func TestRoutesLeadToEveryOtherNodeThatHasAnAddressAndPods(t *testing.T) {
	unaddressed := node("worker3", "10.244.3.0/24", "")
	wanted := routesFor("worker", []*core.Node{
		node("worker", "10.244.1.0/24", "172.18.0.3"),
		node("worker2", "10.244.2.0/24", "172.18.0.4"),
		node("joining", "", "172.18.0.5"),
		unaddressed,
	})
	expected := map[netip.Prefix]netip.Addr{
		netip.MustParsePrefix("10.244.2.0/24"): netip.MustParseAddr("172.18.0.4"),
	}
	if !reflect.DeepEqual(wanted, expected) {
		t.Errorf("got %v, want %v", wanted, expected)
	}
}

func loadBalancer(addresses ...string) *core.Service {
	service := &core.Service{}
	for _, address := range addresses {
		service.Status.LoadBalancer.Ingress = append(service.Status.LoadBalancer.Ingress, core.LoadBalancerIngress{IP: address})
	}
	return service
}

func TestOneReadyWorkerAnswersForAnAddressAndOnlyItsLossMovesIt(t *testing.T) {
	control := node("control-plane", "", "172.18.0.2")
	control.Labels = map[string]string{excluded: ""}
	services := []*core.Service{
		loadBalancer("172.18.255.1"), loadBalancer("172.18.255.2"), loadBalancer("172.18.255.3"),
		loadBalancer("172.18.255.4"), loadBalancer("not an address"), loadBalancer(),
	}
	names := []string{"worker", "worker2", "worker3"}
	answering := func(lost string) map[netip.Addr]string {
		nodes := []*core.Node{control}
		for _, name := range names {
			made := node(name, "", "172.18.0.9")
			if name == lost {
				made = notReady(made)
			}
			nodes = append(nodes, made)
		}
		found := map[netip.Addr]string{}
		for _, name := range append(names, control.Name) {
			for _, address := range addressesFor(name, nodes, services) {
				if other, twice := found[address]; twice {
					t.Errorf("%s and %s both answer for %s", name, other, address)
				}
				found[address] = name
			}
		}
		return found
	}
	before := answering("")
	if len(before) != 4 {
		t.Fatalf("%d of 4 addresses are answered for: %v", len(before), before)
	}
	for _, lost := range names {
		for address, name := range answering(lost) {
			if name == lost || name == control.Name {
				t.Errorf("without %s, %s answers for %s", lost, name, address)
			}
			if before[address] != lost && before[address] != name {
				t.Errorf("the loss of %s moves %s from %s to %s", lost, address, before[address], name)
			}
		}
	}
}

func TestTheConfigurationIsALinkThatIsMadeAnewWhenTheNodeRestarts(t *testing.T) {
	runtime, run := t.TempDir(), filepath.Join(t.TempDir(), "run")
	text, err := conflist(netip.MustParsePrefix("10.244.1.0/24"), 1500)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(runtime, "10-testbed.conflist")
	check := func() {
		t.Helper()
		if err := writeConflist(text, runtime, run); err != nil {
			t.Fatal(err)
		}
		if held, err := os.ReadFile(link); err != nil || string(held) != string(text) {
			t.Errorf("the runtime reads %q, %v", held, err)
		}
		found, err := os.ReadDir(runtime)
		if err != nil || len(found) != 1 {
			t.Errorf("the folder has %v, %v", found, err)
		}
	}
	check()
	check()
	if err := os.RemoveAll(run); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(link); err == nil {
		t.Error("the configuration outlives a restart of the node")
	}
	check()
}
