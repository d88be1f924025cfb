// Package volumes is the provisioner of the StorageClass `local`. A claim gets a directory of the node that the scheduler chose
// for its pod, and a PersistentVolume that leads there. The directory goes when the claim has gone, unless the volume is to be
// retained. The size of a claim is a promise that nobody checks: all directories lie on the machine's one disk.
package volumes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	// workers is how many claims and volumes are served at the same time: one whose disk is slow holds up no other.
	workers = 4
	// A claim or a volume that could not be served is tried again after firstRetry, and after twice as long each time, up to
	// lastRetry. So often, at the most, it is told in the log.
	firstRetry = 250 * time.Millisecond
	lastRetry  = time.Minute
)

// Main is the command `volumes RUN`: it serves the claims of the cluster whose state is in RUN until it is killed. It returns 64
// for a wrong call and 1 when it has no kubeconfig.
func Main(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: volumes RUN")
		return 64
	}
	if err := run(context.Background(), args[0]); err != nil {
		fmt.Fprintln(os.Stderr, "volumes:", err)
		return 1
	}
	return 0
}

// run serves until ctx ends.
func run(ctx context.Context, folder string) error {
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(folder, "kubeconfig"))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	newController(client, folder).serve(ctx)
	return nil
}

// controller brings about what the claims and volumes in the API ask for. What is there counts, not what has happened: a name in
// the queue says that something is to be looked at again, as it is by then.
type controller struct {
	client    kubernetes.Interface
	run       string
	informers informers.SharedInformerFactory
	claims    listers.PersistentVolumeClaimLister
	volumes   listers.PersistentVolumeLister
	// queue has the claims and, without a namespace, the volumes. Each is with one worker at a time, and each waits for its own retry.
	queue workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

func newController(client kubernetes.Interface, run string) *controller {
	factory := informers.NewSharedInformerFactory(client, 0)
	core := factory.Core().V1()
	c := &controller{
		client: client, run: run, informers: factory,
		claims: core.PersistentVolumeClaims().Lister(), volumes: core.PersistentVolumes().Lister(),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](firstRetry, lastRetry)),
	}
	changed := func(object any) {
		if name, err := cache.ObjectToName(object); err == nil {
			c.queue.Add(name)
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, object any) { changed(object) }}
	for _, informer := range []cache.SharedIndexInformer{core.PersistentVolumeClaims().Informer(), core.PersistentVolumes().Informer()} {
		// It fails on an informer that has been stopped.
		_, _ = informer.AddEventHandler(handler)
	}
	return c
}

// serve works until ctx ends.
func (c *controller) serve(ctx context.Context) {
	events := record.NewBroadcaster(record.WithContext(ctx))
	defer events.Shutdown()
	events.StartRecordingToSink(&typed.EventSinkImpl{Interface: c.client.CoreV1().Events("")})
	recorder := events.NewRecorder(scheme.Scheme, v1.EventSource{Component: provisioner})
	c.informers.Start(ctx.Done())
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for c.next(ctx, recorder) {
			}
		})
	}
	<-ctx.Done()
	c.queue.ShutDown()
	working.Wait()
}

// next serves one claim or volume, and has it come again if that failed. It is false when there will be no more.
func (c *controller) next(ctx context.Context, recorder record.EventRecorder) bool {
	name, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(name)
	var err error
	if name.Namespace == "" {
		err = c.remove(ctx, name.Name)
	} else {
		err = c.provide(ctx, name, recorder)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "volumes: %s, tried %d times: %v\n", name, c.queue.NumRequeues(name)+1, err)
		c.queue.AddRateLimited(name)
		return true
	}
	c.queue.Forget(name)
	return true
}

// provide makes the directory and the volume that a claim is to get. What failed is told where `kubectl describe` shows it.
func (c *controller) provide(ctx context.Context, name cache.ObjectName, recorder record.EventRecorder) error {
	claim, err := c.claims.PersistentVolumeClaims(name.Namespace).Get(name.Name)
	if err != nil {
		// It has gone meanwhile: a lister's one error.
		return nil
	}
	pv := wanted(claim, c.run)
	if pv == nil {
		return nil
	}
	if err = os.MkdirAll(pv.Spec.Local.Path, 0o755); err == nil {
		_, err = c.client.CoreV1().PersistentVolumes().Create(ctx, pv, metav1.CreateOptions{})
	}
	switch {
	case apierrors.IsAlreadyExists(err):
		// Made already, and the claim not bound to it yet.
		return nil
	case err != nil:
		recorder.Event(claim, v1.EventTypeWarning, "ProvisioningFailed", err.Error())
		return err
	}
	fmt.Printf("volumes: %s for %s\n", pv.Spec.Local.Path, name)
	return nil
}

// remove deletes a volume whose claim has gone, with its directory, whichever node that is on.
func (c *controller) remove(ctx context.Context, name string) error {
	pv, err := c.volumes.Get(name)
	if err != nil || !released(pv) {
		return nil
	}
	// Not the path that the volume names: whoever may make volumes may write it.
	for node := 1; node <= maxNodes; node++ {
		if err := os.RemoveAll(folder(c.run, fmt.Sprintf("node%d", node), name)); err != nil {
			return err
		}
	}
	err = c.client.CoreV1().PersistentVolumes().Delete(ctx, name, *metav1.NewPreconditionDeleteOptions(string(pv.UID)))
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
