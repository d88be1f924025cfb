// Command hyperkube is every server of the cluster in one binary: the name it is called by selects the program. One binary shares
// what they have in common, and is linked once.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	etcd "go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"practice/cluster/forward"
	"practice/cluster/loadbalancer"
	"practice/cluster/volumes"
)

func main() {
	os.Exit(run(filepath.Base(os.Args[0]), os.Args))
}

// run runs the program called name with args (args[0] being the name) and returns the exit code.
func run(name string, args []string) int {
	switch name {
	case "etcd":
		etcd.Main(args)
		return 0
	case "forward":
		return forward.Main(args[1:])
	case "kube-apiserver":
		return kubernetes(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		return kubernetes(controllermanager.NewControllerManagerCommand())
	case "kube-scheduler":
		return kubernetes(scheduler.NewSchedulerCommand())
	case "kube-proxy":
		return kubernetes(proxy.NewProxyCommand())
	case "kubelet":
		return kubernetes(kubelet.NewKubeletCommand(context.Background()))
	case "loadbalancer":
		return loadbalancer.Main(args[1:])
	case "volumes":
		return volumes.Main(args[1:])
	default:
		fmt.Fprintf(os.Stderr, "hyperkube: call it by the name of one of its programs, not %q\n", name)
		return 64
	}
}

func kubernetes(command *cobra.Command) int {
	return cli.Run(command)
}
