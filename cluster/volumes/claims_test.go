package volumes

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pointer[T any](value T) *T { return &value }

// claimed is a claim as the API server has it when the scheduler has chosen node1 for its pod.
func claimed() *v1.PersistentVolumeClaim {
	return &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "data", UID: "0-1",
			Annotations: map[string]string{"volume.kubernetes.io/selected-node": "node1"},
		},
		Spec: v1.PersistentVolumeClaimSpec{
			StorageClassName: pointer("local"), VolumeMode: pointer(v1.PersistentVolumeFilesystem),
			AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			Resources:   v1.VolumeResourceRequirements{Requests: v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}},
		},
		Status: v1.PersistentVolumeClaimStatus{Phase: v1.ClaimPending},
	}
}

func TestAClaimGetsADirectoryOfTheNodeOfItsPod(t *testing.T) {
	pv := wanted(claimed(), "/run of it")
	if pv == nil || pv.Name != "pvc-0-1" || pv.Spec.Local.Path != "/run of it/node1/volumes/pvc-0-1" {
		t.Fatalf("got %v", pv)
	}
	if reference := pv.Spec.ClaimRef; reference.Namespace != "default" || reference.Name != "data" || reference.UID != "0-1" {
		t.Errorf("it is for %v", reference)
	}
	if size := pv.Spec.Capacity[v1.ResourceStorage]; size.String() != "1Gi" {
		t.Errorf("its size is %v", size)
	}
}

func TestAClaimIsLeftAloneUntilItIsToBeServed(t *testing.T) {
	for name, change := range map[string]func(*v1.PersistentVolumeClaim){
		"no class":                    func(c *v1.PersistentVolumeClaim) { c.Spec.StorageClassName = nil },
		"another class":               func(c *v1.PersistentVolumeClaim) { c.Spec.StorageClassName = pointer("fast") },
		"bound":                       func(c *v1.PersistentVolumeClaim) { c.Status.Phase = v1.ClaimBound },
		"deleted":                     func(c *v1.PersistentVolumeClaim) { c.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)} },
		"a block device":              func(c *v1.PersistentVolumeClaim) { c.Spec.VolumeMode = pointer(v1.PersistentVolumeBlock) },
		"written from several nodes":  func(c *v1.PersistentVolumeClaim) { c.Spec.AccessModes = append(c.Spec.AccessModes, v1.ReadWriteMany) },
		"no pod yet":                  func(c *v1.PersistentVolumeClaim) { c.Annotations = nil },
		"a node outside of the state": func(c *v1.PersistentVolumeClaim) { c.Annotations["volume.kubernetes.io/selected-node"] = "../node1" },
		"a node that cannot be":       func(c *v1.PersistentVolumeClaim) { c.Annotations["volume.kubernetes.io/selected-node"] = "node10" },
	} {
		t.Run(name, func(t *testing.T) {
			claim := claimed()
			change(claim)
			if pv := wanted(claim, "/run"); pv != nil {
				t.Errorf("it gets %v", pv)
			}
		})
	}
}

func TestOnlyAVolumeOfThisProvisionerWhoseClaimHasGoneIsRemoved(t *testing.T) {
	for name, change := range map[string]func(*v1.PersistentVolume){
		"somebody else's": func(v *v1.PersistentVolume) { v.Annotations = nil },
		"in use":          func(v *v1.PersistentVolume) { v.Status.Phase = v1.VolumeBound },
		"to be retained":  func(v *v1.PersistentVolume) { v.Spec.PersistentVolumeReclaimPolicy = v1.PersistentVolumeReclaimRetain },
		"deleted":         func(v *v1.PersistentVolume) { v.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)} },
		"a path":          func(v *v1.PersistentVolume) { v.Name = "pvc-../../etc" },
	} {
		t.Run(name, func(t *testing.T) {
			pv := wanted(claimed(), "/run")
			pv.Status.Phase = v1.VolumeReleased
			if !released(pv) {
				t.Fatal("the volume of a claim that has gone stays")
			}
			change(pv)
			if released(pv) {
				t.Error("it is removed")
			}
		})
	}
}
