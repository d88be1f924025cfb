package volumes

import (
	"fmt"
	"path/filepath"
	"regexp"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/storage/volume"
)

const (
	// class is the StorageClass whose claims are served, provisioner who serves them: both as in addons/storage.yaml.
	class       = "local"
	provisioner = "practice/local"
	// maxNodes is how many nodes a name can tell apart: node1 to node9.
	maxNodes = 9
)

var (
	nodeName   = regexp.MustCompile(`^node[1-9]$`)
	volumeName = regexp.MustCompile(`^pvc-[0-9a-f-]+$`)
)

// folder is where the volume called name lies on the node called node, in the state of the cluster in run.
func folder(run, node, name string) string {
	return filepath.Join(run, node, "volumes", name)
}

// wanted is the volume that claim is to get, or nil where it is to get none: it has one, it waits for a pod, it asks for what a
// directory is not, or it is no claim of the class.
func wanted(claim *v1.PersistentVolumeClaim, run string) *v1.PersistentVolume {
	spec, node := claim.Spec, claim.Annotations[volume.AnnSelectedNode]
	if spec.StorageClassName == nil || *spec.StorageClassName != class ||
		claim.Status.Phase != v1.ClaimPending || claim.DeletionTimestamp != nil ||
		spec.VolumeMode == nil || *spec.VolumeMode != v1.PersistentVolumeFilesystem {
		return nil
	}
	for _, mode := range spec.AccessModes {
		if mode != v1.ReadWriteOnce && mode != v1.ReadWriteOncePod {
			return nil
		}
	}
	// The node's name becomes part of a path, and whoever may make claims may write it.
	if !nodeName.MatchString(node) {
		return nil
	}
	name := fmt.Sprintf("pvc-%s", claim.UID)
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{volume.AnnDynamicallyProvisioned: provisioner}},
		Spec: v1.PersistentVolumeSpec{
			StorageClassName:              class,
			PersistentVolumeReclaimPolicy: v1.PersistentVolumeReclaimDelete,
			AccessModes:                   spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: spec.Resources.Requests[v1.ResourceStorage]},
			ClaimRef: &v1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: folder(run, node, name)}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{node}}},
			}}}},
		},
	}
}

// released says whether pv was made here and its claim has gone. No pod uses it any more, because a claim stays as long as one
// does. A volume that is to be retained is for a person to delete.
func released(pv *v1.PersistentVolume) bool {
	return pv.Annotations[volume.AnnDynamicallyProvisioned] == provisioner &&
		pv.Status.Phase == v1.VolumeReleased && pv.DeletionTimestamp == nil &&
		pv.Spec.PersistentVolumeReclaimPolicy == v1.PersistentVolumeReclaimDelete &&
		volumeName.MatchString(pv.Name)
}
