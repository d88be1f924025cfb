// Package loadbalancer is what a cloud gives a Service of type LoadBalancer: an address of its own from outside, and a router that
// leads it to the nodes. It runs beside the control plane, which all that comes from the machine passes: each address is a route
// there, with a next hop for each node that is to take the traffic, as a router has it that MetalLB told of them by BGP.
//
// A connection keeps its node as long as the hops stay. When they change, some of the open connections come to another node,
// which does not know them, and break.
package loadbalancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	core "k8s.io/client-go/listers/core/v1"
	slicelisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
)

const (
	// protocol marks the routes that are made here, among those of the control plane's namespace.
	protocol netlink.RouteProtocol = 200
	// settle is how long changes are collected before they are looked at.
	settle = 100 * time.Millisecond
	// retry is how long after a failure all is looked at again.
	retry = time.Second
)

// Main is the command `loadbalancer RUN NETWORK`: it serves the cluster whose state is in RUN and whose addresses begin with the
// three octets NETWORK, until it is killed. It returns 64 for a wrong call and 1 when it cannot begin.
func Main(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: loadbalancer RUN NETWORK")
		return 64
	}
	if err := run(context.Background(), args[0], args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "loadbalancer:", err)
		return 1
	}
	return 0
}

// run serves until ctx ends.
func run(ctx context.Context, folder, network string) error {
	pool, err := poolOf(network)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(folder, "kubeconfig"))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	newController(client, pool).serve(ctx)
	return nil
}

// controller brings about what the Services in the API ask for. All of it is looked at whenever something has changed: there are few.
type controller struct {
	client    kubernetes.Interface
	pool      pool
	informers informers.SharedInformerFactory
	services  core.ServiceLister
	nodes     core.NodeLister
	endpoints slicelisters.EndpointSliceLister
	// changed has an entry when something has changed since the last look.
	changed chan struct{}
	// refused are the services that were told that there is no address for them.
	refused map[string]bool
}

func newController(client kubernetes.Interface, pool pool) *controller {
	factory := informers.NewSharedInformerFactory(client, 0)
	services, nodes, endpoints := factory.Core().V1().Services(), factory.Core().V1().Nodes(), factory.Discovery().V1().EndpointSlices()
	c := &controller{
		client: client, pool: pool, informers: factory,
		services: services.Lister(), nodes: nodes.Lister(), endpoints: endpoints.Lister(),
		changed: make(chan struct{}, 1), refused: map[string]bool{},
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { c.look() }, UpdateFunc: func(any, any) { c.look() }, DeleteFunc: func(any) { c.look() },
	}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), nodes.Informer(), endpoints.Informer()} {
		// It fails on an informer that has been stopped.
		_, _ = informer.AddEventHandler(handler)
	}
	return c
}

// look has all of it looked at again.
func (c *controller) look() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// serve works until ctx ends.
func (c *controller) serve(ctx context.Context) {
	events := record.NewBroadcaster(record.WithContext(ctx))
	defer events.Shutdown()
	events.StartRecordingToSink(&typed.EventSinkImpl{Interface: c.client.CoreV1().Events("")})
	recorder := events.NewRecorder(scheme.Scheme, v1.EventSource{Component: "practice/loadbalancer"})
	c.informers.Start(ctx.Done())
	c.informers.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
		time.Sleep(settle)
		if err := c.reconcile(ctx, recorder); err != nil {
			fmt.Fprintln(os.Stderr, "loadbalancer:", err)
			time.AfterFunc(retry, c.look)
		}
	}
}

// reconcile gives addresses, takes them back, and has the routes lead to the nodes that are to have the traffic now.
func (c *controller) reconcile(ctx context.Context, recorder record.EventRecorder) error {
	services, err := c.services.List(labels.Everything())
	if err != nil {
		return err
	}
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return err
	}
	assigned := c.pool.assign(services)
	routes := map[netip.Addr][]netip.Addr{}
	refused := map[string]bool{}
	// What fails for one is tried again, and holds up no other.
	var failed []error
	for _, service := range services {
		address, has := assigned[service]
		failed = append(failed, c.tell(ctx, service, address))
		name := service.Namespace + "/" + service.Name
		if served(service) && !has {
			refused[name] = true
			if !c.refused[name] {
				recorder.Eventf(service, v1.EventTypeWarning, "NoAddress", "no address for it: from %s to %s there are, %s",
					c.pool.first, c.pool.last, reason(service))
			}
		}
		if !has {
			continue
		}
		endpoints, err := c.endpoints.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service.Name}))
		if err != nil {
			return err
		}
		routes[address] = hops(service, nodes, endpoints)
	}
	c.refused = refused
	return errors.Join(append(failed, lead(routes))...)
}

func reason(service *v1.Service) string {
	if asked := service.Spec.LoadBalancerIP; asked != "" {
		return "and " + asked + ", which it asks for, is none of them or has been given out"
	}
	return "and all have been given out"
}

// tell writes the address into the status of service. One that is not served any more loses what it had from here.
func (c *controller) tell(ctx context.Context, service *v1.Service, address netip.Addr) error {
	given, has := c.pool.given(service)
	if given == address || !address.IsValid() && !has {
		return nil
	}
	changed := service.DeepCopy()
	changed.Status.LoadBalancer = v1.LoadBalancerStatus{}
	if address.IsValid() {
		changed.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{IP: address.String()}}
	}
	_, err := c.client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		fmt.Printf("loadbalancer: %s/%s has %s\n", service.Namespace, service.Name, address)
	}
	return err
}

// lead makes the routes of this network namespace what they are to be: to each address over its hops, to an address without hops
// none. Others than those that were made here it leaves alone.
func lead(wanted map[netip.Addr][]netip.Addr) error {
	there, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: protocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	var failed []error
	for _, route := range there {
		address, _ := netip.AddrFromSlice(route.Dst.IP.To4())
		if slices.Equal(hopsOf(route), wanted[address]) {
			delete(wanted, address)
		} else if len(wanted[address]) == 0 {
			failed = append(failed, inRoute(address, netlink.RouteDel(&route)))
		}
	}
	for address, hops := range wanted {
		if len(hops) == 0 {
			continue
		}
		route := netlink.Route{Protocol: protocol, Dst: &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(32, 32)}}
		for _, hop := range hops {
			route.MultiPath = append(route.MultiPath, &netlink.NexthopInfo{Gw: hop.AsSlice()})
		}
		failed = append(failed, inRoute(address, netlink.RouteReplace(&route)))
	}
	return errors.Join(failed...)
}

func inRoute(address netip.Addr, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("route to %s: %w", address, err)
}

// hopsOf are the next hops of route. The kernel has a single one in another place than several.
func hopsOf(route netlink.Route) []netip.Addr {
	gateways := []net.IP{route.Gw}
	if len(route.MultiPath) > 0 {
		gateways = nil
		for _, hop := range route.MultiPath {
			gateways = append(gateways, hop.Gw)
		}
	}
	var addresses []netip.Addr
	for _, gateway := range gateways {
		if address, ok := netip.AddrFromSlice(gateway.To4()); ok {
			addresses = append(addresses, address)
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return addresses
}
