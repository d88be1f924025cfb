package loadbalancer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// asking is a Service of type LoadBalancer, the age-th that was made, with what change does to it.
func asking(name string, age int, change ...func(*v1.Service)) *v1.Service {
	service := &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, CreationTimestamp: metav1.Unix(int64(1000+age), 0)},
		Spec:       v1.ServiceSpec{Type: v1.ServiceTypeLoadBalancer, ExternalTrafficPolicy: v1.ServiceExternalTrafficPolicyCluster},
	}
	for _, change := range change {
		change(service)
	}
	return service
}

func has(address string) func(*v1.Service) {
	return func(service *v1.Service) {
		service.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{IP: address}}
	}
}

func asksFor(address string) func(*v1.Service) {
	return func(service *v1.Service) { service.Spec.LoadBalancerIP = address }
}

func TestAddressesAreGivenOut(t *testing.T) {
	class := "other"
	for _, test := range []struct {
		what     string
		services []*v1.Service
		want     string
	}{
		{"the oldest has the first", []*v1.Service{asking("b", 2), asking("a", 1)}, "a 10.89.0.128, b 10.89.0.129"},
		{"of the same second, the first by name", []*v1.Service{asking("b", 1), asking("a", 1)}, "a 10.89.0.128, b 10.89.0.129"},
		{"who has one keeps it", []*v1.Service{asking("a", 1), asking("b", 2, has("10.89.0.128"))}, "a 10.89.0.129, b 10.89.0.128"},
		{"of two that have one, the older keeps it", []*v1.Service{asking("a", 2, has("10.89.0.128")), asking("b", 1, has("10.89.0.128"))},
			"a 10.89.0.129, b 10.89.0.128"},
		{"what another gave is not kept", []*v1.Service{asking("a", 1, has("192.0.2.1"))}, "a 10.89.0.128"},
		{"an address that is asked for", []*v1.Service{asking("a", 1, asksFor("10.89.0.200"))}, "a 10.89.0.200"},
		{"another than it has", []*v1.Service{asking("a", 1, has("10.89.0.128"), asksFor("10.89.0.200"))}, "a 10.89.0.200"},
		{"one that is given out", []*v1.Service{asking("a", 1, has("10.89.0.200")), asking("b", 2, asksFor("10.89.0.200"))}, "a 10.89.0.200"},
		{"a node's", []*v1.Service{asking("a", 1, asksFor("10.89.0.11"))}, ""},
		{"no address at all", []*v1.Service{asking("a", 1, asksFor("soon"))}, ""},
		{"of another type", []*v1.Service{asking("a", 1, func(s *v1.Service) { s.Spec.Type = v1.ServiceTypeNodePort })}, ""},
		{"of another's class", []*v1.Service{asking("a", 1, func(s *v1.Service) { s.Spec.LoadBalancerClass = &class })}, ""},
		{"on its way out", []*v1.Service{asking("a", 1, has("10.89.0.128"), func(s *v1.Service) { now := metav1.Now(); s.DeletionTimestamp = &now }),
			asking("b", 2)}, "b 10.89.0.128"},
	} {
		pool, err := poolOf("10.89.0")
		if err != nil {
			t.Fatal(err)
		}
		if got := listed(pool.assign(test.services)); got != test.want {
			t.Errorf("%s: %q, not %q", test.what, got, test.want)
		}
	}
}

func TestThePoolHasAnEnd(t *testing.T) {
	pool, err := poolOf("10.89.0")
	if err != nil {
		t.Fatal(err)
	}
	var services []*v1.Service
	for i := range 130 {
		services = append(services, asking(fmt.Sprint(i), i))
	}
	assigned := pool.assign(services)
	if len(assigned) != 127 || assigned[services[126]] != netip.MustParseAddr("10.89.0.254") {
		t.Errorf("%d addresses, the last %s", len(assigned), assigned[services[126]])
	}
}

func listed(assigned map[*v1.Service]netip.Addr) string {
	var each []string
	for service, address := range assigned {
		each = append(each, service.Name+" "+address.String())
	}
	slices.Sort(each)
	return strings.Join(each, ", ")
}

// nodeOf is node1, node2 ..., with its address and whether it is ready.
func nodeOf(i int, ready v1.ConditionStatus) *v1.Node {
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node%d", i)},
		Status: v1.NodeStatus{
			Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: ready, LastHeartbeatTime: metav1.NewTime(time.Unix(0, 0))}},
			Addresses:  []v1.NodeAddress{{Type: v1.NodeHostName, Address: "10.89.0.99"}, {Type: v1.NodeInternalIP, Address: fmt.Sprintf("10.89.0.1%d", i)}},
		},
	}
}

func endpointsOn(ready bool, node string) *discovery.EndpointSlice {
	return &discovery.EndpointSlice{Endpoints: []discovery.Endpoint{{NodeName: &node, Conditions: discovery.EndpointConditions{Ready: &ready}}}}
}

func TestTheTrafficGoesToNodesThatTakeIt(t *testing.T) {
	local := func(service *v1.Service) { service.Spec.ExternalTrafficPolicy = v1.ServiceExternalTrafficPolicyLocal }
	excluded := nodeOf(2, v1.ConditionTrue)
	excluded.Labels = map[string]string{"node.kubernetes.io/exclude-from-external-load-balancers": ""}
	two := []*v1.Node{nodeOf(2, v1.ConditionTrue), nodeOf(1, v1.ConditionTrue)}
	for _, test := range []struct {
		what      string
		service   *v1.Service
		nodes     []*v1.Node
		endpoints []*discovery.EndpointSlice
		want      string
	}{
		{"all, wherever the pods are", asking("a", 1), two, []*discovery.EndpointSlice{endpointsOn(true, "node2")}, "[10.89.0.11 10.89.0.12]"},
		{"but one that is not ready", asking("a", 1), []*v1.Node{nodeOf(1, v1.ConditionUnknown), nodeOf(2, v1.ConditionTrue)}, nil, "[10.89.0.12]"},
		{"but one that is to have none", asking("a", 1), []*v1.Node{nodeOf(1, v1.ConditionTrue), excluded}, nil, "[10.89.0.11]"},
		{"Local: those with a pod", asking("a", 1, local), two, []*discovery.EndpointSlice{endpointsOn(true, "node2")}, "[10.89.0.12]"},
		{"Local: with one that is ready", asking("a", 1, local), two,
			[]*discovery.EndpointSlice{endpointsOn(false, "node1"), endpointsOn(true, "node2")}, "[10.89.0.12]"},
		{"Local: no pod, no node", asking("a", 1, local), two, nil, "[]"},
	} {
		if got := fmt.Sprint(hops(test.service, test.nodes, test.endpoints)); got != test.want {
			t.Errorf("%s: %s, not %s", test.what, got, test.want)
		}
	}
}
