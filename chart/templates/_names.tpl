{{/*
Names and labels. Templates that are about one service take a dict: root (the top-level scope), name (its key in
.Values.services) and service (its resolved knobs, see _services.tpl).
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
{{- fail (printf "the name %q has %d characters; Kubernetes takes 63. Set a shorter names.prefix." $name (len $name)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the name %q is none that a Service can have: a-z, 0-9 and -, with a letter at the start. Set names.prefix, or call the release otherwise." $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Takes root and name (a service's key). */}}
{{- define "practice.serviceName" -}}
{{- include "practice.name" (dict "root" .root "name" (print .name .root.Values.names.serviceSuffix)) -}}
{{- end -}}

{{/* Name of the objects that exist once: Ingress and HTTPRoute. */}}
{{- define "practice.ingressName" -}}
{{- .Values.names.ingress | default (include "practice.prefix" . | trimSuffix "-") | default .Release.Name -}}
{{- end -}}

{{/* Takes root, name and service. */}}
{{- define "practice.serviceAccountName" -}}
{{- if .service.serviceAccount.name -}}
{{- .service.serviceAccount.name -}}
{{- else if .service.serviceAccount.create -}}
{{- include "practice.name" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* Takes root and name. These never change: a Deployment's selector is immutable. */}}
{{- define "practice.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* Takes root; name where the object is about one service; tag where it runs an image. */}}
{{- define "practice.labels" -}}
{{- $labels := dict
  "app.kubernetes.io/name" .root.Chart.Name
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/part-of" .root.Chart.Name
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name (replace "+" "_" .root.Chart.Version)) -}}
{{- with .name }}{{ $_ := set $labels "app.kubernetes.io/component" . }}{{ end -}}
{{- with .tag }}{{ $_ := set $labels "app.kubernetes.io/version" (include "practice.versionLabel" .) }}{{ end -}}
{{- toYaml (merge $labels .root.Values.commonLabels) -}}
{{- end -}}

{{/* Takes root, name, tag and extra. No chart version here: a new chart alone must not roll the pods. */}}
{{- define "practice.podLabels" -}}
{{- $labels := include "practice.labels" . | fromYaml -}}
{{- toYaml (merge (omit $labels "helm.sh/chart" "app.kubernetes.io/managed-by") (.extra | default dict)) -}}
{{- end -}}

{{/* Takes a tag. A label has 63 characters and no @: of v1@sha256:... it is v1. */}}
{{- define "practice.versionLabel" -}}
{{- regexReplaceAll "@.*$" . "" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{/* Takes root and service. */}}
{{- define "practice.tag" -}}
{{- .service.image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- end -}}

{{/* Takes root, repository and tag. */}}
{{- define "practice.imageReference" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .repository }}:{{ .tag -}}
{{- end -}}

{{/* Takes root and service. */}}
{{- define "practice.image" -}}
{{- $repository := .service.image.repository | default .service.kind -}}
{{- include "practice.imageReference" (dict "root" .root "repository" $repository "tag" (include "practice.tag" .)) -}}
{{- end -}}

{{/* Takes the top-level scope. */}}
{{- define "practice.clientTag" -}}
{{- .Values.client.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{/* Takes root and name: the name that has the addresses of a service's pods. */}}
{{- define "practice.headlessName" -}}
{{- include "practice.name" (dict "root" .root "name" (print .name .root.Values.names.serviceSuffix "-headless")) -}}
{{- end -}}

{{/* Takes root and name: the ConfigMap with a gateway's route table. */}}
{{- define "practice.routesName" -}}
{{- include "practice.name" (dict "root" .root "name" (print .name "-routes")) -}}
{{- end -}}

{{/* Takes root and name: the ConfigMap with a service's own data. */}}
{{- define "practice.dataName" -}}
{{- include "practice.name" (dict "root" .root "name" (print .name "-data")) -}}
{{- end -}}

{{/* Takes a service: whether it answers requests. A worker does not: it asks the store for its work. */}}
{{- define "practice.answers" -}}
{{- if not (and (eq .kind "backend") (eq .role "worker")) }}yes{{ end -}}
{{- end -}}

{{/* Name of the Secret with the certificate that the chart makes. */}}
{{- define "practice.certificateName" -}}
{{- include "practice.ingressName" . }}-tls
{{- end -}}

{{/* Takes root and name: the address at which pods of the same namespace reach a service. */}}
{{- define "practice.url" -}}
{{- $service := index (include "practice.services" .root | fromYaml) .name -}}
http://{{ include "practice.serviceName" . }}:{{ int $service.service.port }}
{{- end -}}

{{- define "practice.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes root and args: the pod spec of the test, load and debug pods, less its restartPolicy. */}}
{{- define "practice.clientPod" -}}
automountServiceAccountToken: false
{{- include "practice.pullSecrets" .root }}
securityContext:
  {{- toYaml .root.Values.defaults.podSecurityContext | nindent 2 }}
containers:
  - name: client
    image: {{ include "practice.imageReference" (dict "root" .root "repository" .root.Values.client.image.repository "tag" (include "practice.clientTag" .root)) }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    resources:
      {{- toYaml .root.Values.client.resources | nindent 6 }}
    securityContext:
      {{- toYaml .root.Values.defaults.securityContext | nindent 6 }}
{{- end -}}
