{{/*
Names and labels. Templates that take root (the top-level scope) and name take a service, which has both (values/_services.tpl), or a
dict with the name of something else.
*/}}

{{/* What is put before every object's name, dash included. */}}
{{- define "practice.prefix" -}}
{{- $prefix := ternary .Values.names.prefix .Release.Name (kindIs "string" .Values.names.prefix) -}}
{{- if $prefix }}{{ $prefix }}-{{ end -}}
{{- end -}}

{{/*
Takes root and name (the name without prefix). Longer than a DNS label is refused: cut names collide. So is what a Service can't be
called (RFC 1035): Helm takes a release called 5g or v1.2, and the cluster only some of its objects.
*/}}
{{- define "practice.name" -}}
{{- $name := print (include "practice.prefix" .root) .name -}}
{{- if gt (len $name) 63 -}}
{{- include "practice.refuse" (printf "names.prefix: the name %q has %d characters; Kubernetes takes 63. Set a shorter names.prefix." $name (len $name)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- include "practice.refuse" (printf "names.prefix: the name %q is none that a Service can have: a-z, 0-9 and -, with a letter at the start. Set names.prefix, or call the release otherwise." $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Takes root and name (a service's key). */}}
{{- define "practice.serviceName" -}}
{{- $own := dig .name "service" "name" "" (.root.services | default dict) -}}
{{- include "practice.name" (dict "root" .root "name" ($own | default (print .name .root.Values.names.serviceSuffix))) -}}
{{- end -}}

{{/* Takes root and name (a service's key): its second Service. */}}
{{- define "practice.nodePortName" -}}
{{- include "practice.serviceName" (dict "root" .root "name" (print .name "-nodeport")) -}}
{{- end -}}

{{/* Takes a service. */}}
{{- define "practice.configMapName" -}}
{{- include "practice.name" (dict "root" .root "name" (.configMap.name | default .name)) -}}
{{- end -}}

{{/* Name of the objects that exist once: Ingress and HTTPRoute. */}}
{{- define "practice.ingressName" -}}
{{- .Values.names.ingress | default (include "practice.prefix" . | trimSuffix "-") | default .Release.Name -}}
{{- end -}}

{{/* Takes a service. */}}
{{- define "practice.serviceAccountName" -}}
{{- .serviceAccount.name | default (.serviceAccount.create | ternary (include "practice.name" .) "default") -}}
{{- end -}}

{{/* Takes root and name. These never change: a Deployment's selector is immutable. */}}
{{- define "practice.selectorLabels" -}}
{{- if .root.Values.names.appLabel -}}
app: {{ include "practice.name" . | toYaml }}
{{- else -}}
app.kubernetes.io/name: {{ .root.Chart.Name | toYaml }}
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
app.kubernetes.io/component: {{ .name | toYaml }}
{{- end -}}
{{- end -}}

{{/*
Takes root; name where the object is about one service; tag where it runs an image; pod (its own labels) where it is one: no chart version then, because
a new chart alone must not roll the pods; first where some win over these.
*/}}
{{- define "practice.labels" -}}
{{- $labels := dict
  "app.kubernetes.io/name" .root.Chart.Name
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/part-of" .root.Chart.Name
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name (replace "+" "_" .root.Chart.Version)) -}}
{{- with .name }}{{ $_ := set $labels "app.kubernetes.io/component" . }}{{ end -}}
{{- if and .name .root.Values.names.appLabel }}{{ $_ := set $labels "app" (include "practice.name" .) }}{{ end -}}
{{- with .tag }}{{ $_ := set $labels "app.kubernetes.io/version" (include "practice.versionLabel" .) }}{{ end -}}
{{- $labels = merge (deepCopy (.first | default dict)) $labels .root.Values.commonLabels -}}
{{- if hasKey . "pod" }}{{ $labels = merge (omit $labels "helm.sh/chart" "app.kubernetes.io/managed-by") .pod }}{{ end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/*
Takes what practice.labels takes, annotations, and object: the name of the object where that is not what practice.name makes of name.
*/}}
{{- define "practice.metadata" -}}
metadata:
  name: {{ if .object }}{{ toYaml .object }}{{ else }}{{ include "practice.name" . | toYaml }}{{ end }}
  labels:
    {{- include "practice.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- include "practice.template" (dict "root" $.root "value" .) | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Takes root and value: the value as YAML, with what it has of templates worked out. A look is cheaper than that. */}}
{{- define "practice.template" -}}
{{- $text := toYaml .value -}}
{{- if contains "{{" $text }}{{ tpl $text .root }}{{ else }}{{ $text }}{{ end -}}
{{- end -}}

{{/* Takes root and object, a map or a text of .Values.extraObjects: its YAML. */}}
{{- define "practice.extraObject" -}}
{{- tpl (kindIs "string" .object | ternary .object (toYaml .object)) .root -}}
{{- end -}}

{{/* Takes a tag. A label has 63 characters and no @: of v1@sha256:... it is v1. */}}
{{- define "practice.versionLabel" -}}
{{- regexReplaceAll "@.*$" . "" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{/* Takes root and name: the name that has the addresses of a service's pods. */}}
{{- define "practice.headlessName" -}}
{{- include "practice.name" (dict "root" .root "name" (print .name .root.Values.names.serviceSuffix "-headless")) -}}
{{- end -}}

{{/* Takes a service: the name of what is its own and in no namespace. No namespace has a colon in its name, and names of system: are Kubernetes' own. */}}
{{- define "practice.clusterName" -}}
{{- print "practice:" .root.Release.Namespace ":" (include "practice.name" .) -}}
{{- end -}}

{{/* Takes a store: the name of all its pods, the one that takes writes and its copies. */}}
{{- define "practice.readName" -}}
{{- include "practice.name" (dict "root" .root "name" (print .name .root.Values.names.serviceSuffix "-read")) -}}
{{- end -}}

{{/*
Takes the top-level scope: two objects of one kind and name, of which Helm would apply the one over the other. .Release is one map for
all charts of a release, so another of this chart in an umbrella is seen too.
*/}}
{{- define "practice.brokenNames" -}}
{{- $suffix := .Values.names.serviceSuffix -}}
{{- $prefix := include "practice.prefix" . -}}
{{- if not (hasKey .Release "made") }}{{ $_ := set .Release "made" dict }}{{ end -}}
{{- $made := .Release.made -}}
{{- $once := include "practice.ingressName" . -}}
{{- /* Whether there is one, the knob that says so, the kind, the parts of the name: without the prefix, unless that is its own. */ -}}
{{- $objects := list
  (list .Values.debug.enabled "debug.name" "pods of " .Values.debug.name)
  (list .Values.load.enabled "load" "pods of " "load")
  (list .Values.ingress.enabled "ingress" "=Ingress " $once)
  (list (and .Values.ingress.enabled .Values.ingress.selfSigned.enabled) "ingress.selfSigned" "=Secret " (include "practice.certificateName" .))
  (list .Values.httpRoute.enabled "httpRoute" "=HTTPRoute " $once)
  (list .Values.monitoring.serviceMonitor.enabled "monitoring.serviceMonitor" "=ServiceMonitor " $once)
  (list .Values.monitoring.alerts.enabled "monitoring.alerts" "=PrometheusRule " $once)
  (list .Values.monitoring.dashboard.enabled "monitoring.dashboard" "=ConfigMap " $once "-dashboard") -}}
{{- range $account, $_ := .accounts }}{{ $objects = append $objects (list true "defaults.serviceAccount.name" "=ServiceAccount " $account) }}{{ end -}}
{{- range $name, $store := .stores -}}
{{- $copies := gt (int .replicas) 1 -}}
{{- range list
  (list .inside "" "pods of " $name)
  (list .inside "" "StatefulSet " $name)
  (list .inside "" "Service " $name $suffix)
  (list .inside "" "Service " $name $suffix "-headless")
  (list $copies ".replicas" "Service " $name $suffix "-read")
  (list (not .password.existingSecret) ".password" "Secret " $name)
  (list .backup.enabled ".backup" "pods of " $name "-backup")
  (list .backup.enabled ".backup" "PersistentVolumeClaim " $name "-backup")
  (list .backup.enabled ".backup" "CronJob " $name "-backup") -}}
{{- $objects = append $objects (concat (list (and $store.inside (first .)) (print "stores." $name (index . 1))) (slice . 2)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $service := .services -}}
{{- range list
  (list true "" "pods of " $name)
  (list .answers "" "pods of " $name "-test")
  (list true "" "Deployment " $name)
  (list (or .answers .service.exposeMetrics) "" "Service " (.service.name | default (print $name $suffix)))
  (list .service.headless ".service.headless" "Service " $name $suffix "-headless")
  (list .service.nodePortBeside.enabled ".service.nodePortBeside" "Service " $name "-nodeport" $suffix)
  (list .configMap.enabled ".configMap" "ConfigMap " (.configMap.name | default $name))
  (list .autoscaling.enabled ".autoscaling" "HorizontalPodAutoscaler " $name $.Values.names.hpaSuffix)
  (list .podDisruptionBudget.enabled ".podDisruptionBudget" "PodDisruptionBudget " $name)
  (list $.Values.networkPolicy.enabled "" "NetworkPolicy " $name)
  (list (eq .kind "observer") "" "Role " $name)
  (list (eq .kind "observer") "" "RoleBinding " $name)
  (list (and (eq .kind "observer") .observeNodes) ".observeNodes" "=ClusterRole " (include "practice.clusterName" .))
  (list (and (eq .kind "observer") .observeNodes) ".observeNodes" "=ClusterRoleBinding " (include "practice.clusterName" .))
  (list (and (eq .kind "backend") .data.items) ".data" "ConfigMap " $name "-data")
  (list (and (eq .kind "frontend") .routeTable.routes) ".routeTable" "ConfigMap " $name "-routes") -}}
{{- $objects = append $objects (concat (list (first .) (print "services." $name (index . 1))) (slice . 2)) -}}
{{- end -}}
{{- end -}}
{{- /* The API groups of these kinds: one of another group is another object, as Calico's NetworkPolicy. Those of core have none. */ -}}
{{- $groups := dict "Deployment" "apps" "StatefulSet" "apps" "CronJob" "batch" "HorizontalPodAutoscaler" "autoscaling" "PodDisruptionBudget" "policy" "NetworkPolicy" "networking.k8s.io" "Ingress" "networking.k8s.io" "HTTPRoute" "gateway.networking.k8s.io" "ServiceMonitor" "monitoring.coreos.com" "PrometheusRule" "monitoring.coreos.com" "Role" "rbac.authorization.k8s.io" "RoleBinding" "rbac.authorization.k8s.io" "ClusterRole" "rbac.authorization.k8s.io" "ClusterRoleBinding" "rbac.authorization.k8s.io" -}}
{{- range $at, $extra := .Values.extraObjects -}}
{{- $knob := printf "extraObjects[%d]" $at -}}
{{- range regexSplit "(?m)^---.*$" (include "practice.extraObject" (dict "root" $ "object" .)) -1 -}}
{{- $document := . -}}
{{- /* To look at: it is rendered as it was written. */ -}}
{{- $object := fromYaml $document -}}
{{- $name := dig "metadata" "name" "" $object -}}
{{- with $object -}}
{{- if hasKey . "Error" }}
{{ $knob }}: it is no YAML of an object: {{ .Error | replace "\n" " " }}. A text is one of apiVersion, kind, metadata.
{{- else if not (and .apiVersion (kindIs "string" .kind) .kind (or $name (hasSuffix "List" .kind))) }}
{{ $knob }}: it lacks apiVersion, kind or metadata.name, and is no object. Give it all three.
{{- else if and $name (eq (dig "metadata" "namespace" $.Release.Namespace $object) $.Release.Namespace) -}}
{{- $group := regexFind "^[^/]+/" (toString .apiVersion) | trimSuffix "/" -}}
{{- $kind := eq $group (index $groups .kind | default "") | ternary .kind (print .kind "." $group) -}}
{{- $objects = append $objects (list true $knob (print "=" $kind " ") $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $objects -}}
{{- if first . -}}
{{- $by := index . 1 -}}
{{- $object := slice . 2 | join "" -}}
{{- $key := hasPrefix "=" $object | ternary $object (print "=" (index . 2) $prefix (slice . 3 | join "")) -}}
{{- with index $made $key }}
{{ $by }}: it makes the {{ trimPrefix "=" $object | trimPrefix $prefix }}, as {{ if ne .chart $.Chart.Name }}{{ .chart }}.{{ end }}{{ .by }} does, and one would replace the other. Rename one of them{{ if ne .chart $.Chart.Name }}, or set names.prefix{{ end }}.
{{- end -}}
{{- $_ := set $made $key (dict "by" $by "chart" $.Chart.Name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
