package loadbalancer

import (
	"net/netip"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func service(name string, kind core.ServiceType, addresses ...string) *core.Service {
	made := &core.Service{
		ObjectMeta: meta.ObjectMeta{Namespace: "bus", Name: name},
		Spec:       core.ServiceSpec{Type: kind},
	}
	for _, address := range addresses {
		made.Status.LoadBalancer.Ingress = append(made.Status.LoadBalancer.Ingress, core.LoadBalancerIngress{IP: address})
	}
	return made
}

func TestThePoolIsTheNetworksUpperEnd(t *testing.T) {
	for _, test := range []struct {
		network, first, last string
		size                 int
	}{
		{"172.18.0.0/16", "172.18.255.55", "172.18.255.254", 200},
		{"192.168.5.0/24", "192.168.5.191", "192.168.5.254", 64},
		{"10.1.2.128/28", "10.1.2.139", "10.1.2.142", 4},
	} {
		found := pool(netip.MustParsePrefix(test.network))
		if len(found) != test.size || found[0].String() != test.first || found[len(found)-1].String() != test.last {
			t.Errorf("%s: %d addresses from %s to %s", test.network, len(found), found[0], found[len(found)-1])
		}
	}
}

func TestEachServiceThatWaitsGetsAnAddressThatNoOtherHas(t *testing.T) {
	other := "example.com/other"
	elsewhere := service("elsewhere", core.ServiceTypeLoadBalancer)
	elsewhere.Spec.LoadBalancerClass = &other
	services := []*core.Service{
		service("served", core.ServiceTypeLoadBalancer, "10.1.2.139"),
		service("inside", core.ServiceTypeClusterIP),
		service("b", core.ServiceTypeLoadBalancer),
		service("a", core.ServiceTypeLoadBalancer),
		elsewhere,
	}
	addresses := pool(netip.MustParsePrefix("10.1.2.128/28"))
	given, unserved := assign(services, addresses[:2])
	if len(given) != 1 || given[0].service.Name != "a" || given[0].address.String() != "10.1.2.140" {
		t.Errorf("given %v", given)
	}
	if len(unserved) != 1 || unserved[0] != "bus/b" {
		t.Errorf("unserved %v", unserved)
	}
}
