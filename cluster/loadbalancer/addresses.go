package loadbalancer

import (
	"net/netip"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
)

// pool is the addresses that are given out: those of the upper half of the cluster's network, but its last, the broadcast address.
type pool struct{ first, last netip.Addr }

// poolOf is the pool of the network that begins with the three octets in network, as 10.89.0.
func poolOf(network string) (pool, error) {
	first, err := netip.ParseAddr(network + ".128")
	if err != nil {
		return pool{}, err
	}
	last, err := netip.ParseAddr(network + ".254")
	return pool{first, last}, err
}

func (p pool) has(address netip.Addr) bool {
	return p.first.Compare(address) <= 0 && address.Compare(p.last) <= 0
}

// served says whether service is to have an address from here: it asks for one, and for no class of load balancers of its own.
func served(service *v1.Service) bool {
	return service.Spec.Type == v1.ServiceTypeLoadBalancer && service.Spec.LoadBalancerClass == nil && service.DeletionTimestamp == nil
}

// given is the address of the pool that service has.
func (p pool) given(service *v1.Service) (netip.Addr, bool) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(ingress.IP); err == nil && p.has(address) {
			return address, true
		}
	}
	return netip.Addr{}, false
}

// assign is the address of each of services that is to have one. Who has one keeps it, unless it asks for another
// (spec.loadBalancerIP); the oldest is served first. Where no address is left, or the one that is asked for is not to be had, the
// service has none.
func (p pool) assign(services []*v1.Service) map[*v1.Service]netip.Addr {
	wanting := slices.DeleteFunc(slices.Clone(services), func(service *v1.Service) bool { return !served(service) })
	slices.SortFunc(wanting, func(a, b *v1.Service) int {
		if order := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); order != 0 {
			return order
		}
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	assigned, taken := map[*v1.Service]netip.Addr{}, map[netip.Addr]bool{}
	take := func(service *v1.Service, address netip.Addr) {
		if p.has(address) && !taken[address] {
			assigned[service], taken[address] = address, true
		}
	}
	for _, service := range wanting {
		asked := service.Spec.LoadBalancerIP
		if address, has := p.given(service); has && (asked == "" || asked == address.String()) {
			take(service, address)
		}
	}
	for _, service := range wanting {
		if _, has := assigned[service]; has {
			continue
		}
		if asked, err := netip.ParseAddr(service.Spec.LoadBalancerIP); err == nil {
			take(service, asked)
		} else if service.Spec.LoadBalancerIP == "" {
			address := p.first
			for taken[address] {
				address = address.Next()
			}
			take(service, address)
		}
	}
	return assigned
}

// hops are the nodes that take the traffic of service, by their addresses: those that are ready, and with externalTrafficPolicy
// Local, of these the ones that have a ready endpoint of it.
func hops(service *v1.Service, nodes []*v1.Node, endpoints []*discovery.EndpointSlice) []netip.Addr {
	local := map[string]bool{}
	for _, slice := range endpoints {
		for _, endpoint := range slice.Endpoints {
			if endpoint.NodeName != nil && endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
				local[*endpoint.NodeName] = true
			}
		}
	}
	var addresses []netip.Addr
	for _, node := range nodes {
		_, excluded := node.Labels[v1.LabelNodeExcludeBalancers]
		if excluded || !ready(node) || service.Spec.ExternalTrafficPolicy == v1.ServiceExternalTrafficPolicyLocal && !local[node.Name] {
			continue
		}
		for _, address := range node.Status.Addresses {
			if parsed, err := netip.ParseAddr(address.Address); err == nil && address.Type == v1.NodeInternalIP {
				addresses = append(addresses, parsed)
			}
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return addresses
}

func ready(node *v1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(condition v1.NodeCondition) bool {
		return condition.Type == v1.NodeReady && condition.Status == v1.ConditionTrue
	})
}
