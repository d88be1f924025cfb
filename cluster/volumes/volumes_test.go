package volumes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// testDeadline bounds what a test waits for: an API server takes some seconds to start, and on a busy machine a minute.
const testDeadline = 3 * time.Minute

// cluster is an API server, and the folder with the state of its cluster, in which the provisioner works.
type cluster struct {
	*testing.T
	run    string
	client *kubernetes.Clientset
}

// start starts etcd and the API server of .cluster/bin, as cluster/control-plane does, on a loopback address of the test's own,
// and the provisioner. All of it ends with the test.
func start(t *testing.T) cluster {
	t.Helper()
	run, pid := t.TempDir(), os.Getpid()
	address := fmt.Sprintf("127.%d.%d.%d", 64+pid>>16, pid>>8&0xff, pid&0xff)
	pki := filepath.Join(run, "pki")
	if output, err := exec.Command("../certificates", run, address, address, "0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	keep(t, "etcd", "--data-dir="+filepath.Join(run, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=http://"+address+":2379", "--advertise-client-urls=http://"+address+":2379",
		"--listen-peer-urls=http://"+address+":2380")
	// Without the finalizers that only a controller manager takes away.
	keep(t, "kube-apiserver", "--etcd-servers=http://"+address+":2379", "--bind-address="+address,
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", "--disable-admission-plugins=StorageObjectInUseProtection",
		"--tls-cert-file="+pki+"/apiserver.crt", "--tls-private-key-file="+pki+"/apiserver.key", "--client-ca-file="+pki+"/ca.crt",
		"--service-account-key-file="+pki+"/sa.pub", "--service-account-signing-key-file="+pki+"/sa.key",
		"--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC")
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(run, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	c := cluster{t, run, kubernetes.NewForConfigOrDie(config)}
	c.eventually("the API server is ready", func() error {
		return c.client.RESTClient().Get().AbsPath("/readyz").Do(t.Context()).Error()
	})
	go Main([]string{run})
	return c
}

// keep runs a program of .cluster/bin until the test ends. What it printed is shown if the test fails.
func keep(t *testing.T, name string, args ...string) {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("../../.cluster/bin/"+name, args...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatalf("cluster/prepare makes the programs: %v", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if said, _ := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("%s:\n%s", name, said[max(0, len(said)-4000):])
		}
	})
}

// eventually waits until condition holds.
func (c cluster) eventually(what string, condition func() error) {
	c.Helper()
	deadline := time.Now().Add(testDeadline)
	for err := condition(); err != nil; err = condition() {
		if time.Now().After(deadline) {
			c.Fatalf("not so in time: %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// claim makes a claim that waits for a pod, and tells the path that it is to get on node1.
func (c cluster) claim(name string) (*v1.PersistentVolumeClaim, string) {
	c.Helper()
	claim := claimed()
	claim.Name, claim.UID, claim.Annotations = name, "", nil
	claim, err := c.client.CoreV1().PersistentVolumeClaims("default").Create(c.Context(), claim, metav1.CreateOptions{})
	if err != nil {
		c.Fatal(err)
	}
	return claim, folder(c.run, "node1", volumeOf(claim))
}

func volumeOf(claim *v1.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

// schedule does what the scheduler does when the pod of a claim comes.
func (c cluster) schedule(claim *v1.PersistentVolumeClaim) {
	c.Helper()
	claim.Annotations = map[string]string{"volume.kubernetes.io/selected-node": "node1"}
	if _, err := c.client.CoreV1().PersistentVolumeClaims("default").Update(c.Context(), claim, metav1.UpdateOptions{}); err != nil {
		c.Fatal(err)
	}
}

func (c cluster) volume(claim *v1.PersistentVolumeClaim) (*v1.PersistentVolume, error) {
	return c.client.CoreV1().PersistentVolumes().Get(c.Context(), volumeOf(claim), metav1.GetOptions{})
}

// served is a claim with its volume and a file in its directory.
func (c cluster) served(name string) (*v1.PersistentVolumeClaim, *v1.PersistentVolume) {
	c.Helper()
	claim, path := c.claim(name)
	c.schedule(claim)
	var pv *v1.PersistentVolume
	c.eventually(name+" has a volume", func() (err error) { pv, err = c.volume(claim); return err })
	if err := os.WriteFile(filepath.Join(path, "kept"), []byte("x"), 0o600); err != nil {
		c.Fatal(err)
	}
	return claim, pv
}

// release does what the binder does with the volume of a claim that has gone.
func (c cluster) release(pv *v1.PersistentVolume) {
	c.Helper()
	pv.Status.Phase = v1.VolumeReleased
	if _, err := c.client.CoreV1().PersistentVolumes().UpdateStatus(c.Context(), pv, metav1.UpdateOptions{}); err != nil {
		c.Fatal(err)
	}
}

// told says whether a warning of the claim has text.
func (c cluster) told(claim *v1.PersistentVolumeClaim, text string) error {
	events, err := c.client.CoreV1().Events("default").List(c.Context(), metav1.ListOptions{
		FieldSelector: "reason=ProvisioningFailed,involvedObject.uid=" + string(claim.UID),
	})
	if err != nil {
		return err
	}
	for _, event := range events.Items {
		if strings.Contains(event.Message, text) {
			return nil
		}
	}
	return fmt.Errorf("%d events", len(events.Items))
}

func TestServesTheClaimsOfAnAPIServer(t *testing.T) {
	c := start(t)

	t.Run("a claim that cannot be served blocks no other, and is served when it can be", func(t *testing.T) {
		c := cluster{t, c.run, c.client}
		// More than there are workers.
		var blocked []*v1.PersistentVolumeClaim
		var obstacles []string
		for i := range 2 * workers {
			claim, path := c.claim(fmt.Sprintf("blocked-%d", i))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			c.schedule(claim)
			blocked, obstacles = append(blocked, claim), append(obstacles, path)
		}
		for _, claim := range blocked {
			c.eventually("it is told why a claim is not served", func() error { return c.told(claim, "not a directory") })
		}
		c.served("next-to-them")
		for i, claim := range blocked {
			if _, err := c.volume(claim); !apierrors.IsNotFound(err) {
				t.Fatalf("a claim without a directory has a volume, or else: %v", err)
			}
			if err := os.Remove(obstacles[i]); err != nil {
				t.Fatal(err)
			}
		}
		for _, claim := range blocked {
			c.eventually("a claim that could not be served is", func() error { _, err := c.volume(claim); return err })
		}
	})

	t.Run("the directory goes with the claim, but not that of a volume to be retained", func(t *testing.T) {
		c := cluster{t, c.run, c.client}
		_, kept := c.served("kept")
		kept.Spec.PersistentVolumeReclaimPolicy = v1.PersistentVolumeReclaimRetain
		kept, err := c.client.CoreV1().PersistentVolumes().Update(t.Context(), kept, metav1.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.release(kept)
		claim, gone := c.served("gone")
		c.release(gone)
		c.eventually("the volume is gone", func() error {
			if _, err := c.volume(claim); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there, or else: %w", err)
			}
			return nil
		})
		if _, err := os.Stat(gone.Spec.Local.Path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its directory: %v", err)
		}
		if _, err := os.Stat(filepath.Join(kept.Spec.Local.Path, "kept")); err != nil {
			t.Errorf("what was to be retained: %v", err)
		}
	})
}
