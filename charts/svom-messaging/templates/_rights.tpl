{{- /* Written by `cargo xtask generate` from operator/src/kubernetes/rights.rs. */ -}}

{{- define "svom-messaging.rights.buses" -}}
# what is asked for; it is never written
- apiGroups: [messaging.svom.eu]
  resources: [svommessagings]
  verbs: [get, list, watch]
# what is told about it
- apiGroups: [messaging.svom.eu]
  resources: [svommessagings/status]
  verbs: [patch]
# keys and credentials that were made before, and those that users bring
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# keys, certificates and credentials; where there is no second copy the version that was read is named, so that of two writers one loses
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch]
# whose a Service is, and the address that the platform gave it
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
# the servers' names, and the ways for clients; the one from outside leaves when it is asked for no more
- apiGroups: [""]
  resources: [services]
  verbs: [create, patch, delete]
# whose a StatefulSet is, and whether it is as wanted
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch]
# the servers; it is made anew, its pods with it, where a bus that never formed needs what cannot be changed in place
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [create, patch, delete]
# that no more than one server is evicted at a time
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, create, patch]
# which ports of the servers can be reached, and by whom
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, create, patch]
# where each server runs, and why one does not
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# an annotation, so that the kubelet looks at new configuration at once
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
# a server that never ran, so that it is made anew as it is wanted now
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
# whose a volume claim is, and why it has no volume
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch]
# a claim that never had a volume, so that it is made anew as it is wanted now
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [delete]
# what happened, for `kubectl describe`
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{- define "svom-messaging.rights.own" -}}
# the Lease by which one of several operators acts; at its creation the API server knows no name yet
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
# the same Lease, renewed and released
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [svom-messaging]
  verbs: [get, update]
{{- end -}}
