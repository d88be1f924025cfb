{{/*
The pod of a service. All templates here take root, name and service.
*/}}

{{- define "practice.podAnnotations" -}}
{{- $annotations := dict -}}
{{- if and .service.configMap.enabled .service.configMap.rollOnChange -}}
{{- $_ := set $annotations "checksum/config" (include "practice.settings" . | sha256sum) -}}
{{- end -}}
{{- /* A pod reads its items once, when it starts. */ -}}
{{- if and (eq .service.kind "backend") .service.data.items -}}
{{- $_ := set $annotations "checksum/data" (toJson .service.data.items | sha256sum) -}}
{{- end -}}
{{- if .root.Values.monitoring.scrapeAnnotations -}}
{{- $_ := set $annotations "prometheus.io/scrape" "true" -}}
{{- $_ := set $annotations "prometheus.io/port" (int .service.service.metricsPort | toString) -}}
{{- $_ := set $annotations "prometheus.io/path" "/metrics" -}}
{{- end -}}
{{- with merge (deepCopy .service.podAnnotations) $annotations }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- define "practice.podSpec" -}}
{{- $service := .service -}}
serviceAccountName: {{ include "practice.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: {{ $service.enableServiceLinks }}
{{- include "practice.pullSecrets" .root }}
securityContext:
  {{- toYaml $service.podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ int $service.lifecycle.terminationGracePeriodSeconds }}
{{- with include "practice.initContainers" . }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  - {{ include "practice.container" . | nindent 4 | trim }}
{{- with include "practice.volumes" . | fromYamlArray }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $selector := dict "matchLabels" (include "practice.selectorLabels" $ | fromYaml) }}
  {{- range . }}
  {{- /* One of its own says all: merged, it would count pods that have both. */}}
  - {{ toYaml (hasKey . "labelSelector" | ternary . (merge (deepCopy .) (dict "labelSelector" $selector))) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- with $service.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/*
A sidecar is an init container that is always restarted: it starts before the service and stops after it, so that a
proxy does not vanish under a draining service.
*/}}
{{- define "practice.initContainers" -}}
{{- $containers := list -}}
{{- $securityContext := dict "securityContext" .service.securityContext -}}
{{- range .service.sidecars -}}
{{- $containers = append $containers (merge (dict "restartPolicy" "Always") (deepCopy .) (deepCopy $securityContext)) -}}
{{- end -}}
{{- range .service.initContainers -}}
{{- $containers = append $containers (merge (deepCopy .) (deepCopy $securityContext)) -}}
{{- end -}}
{{- with $containers }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* Whole volumes, not single files of them: those the kubelet would not bring up to date in a running pod. */}}
{{- define "practice.volumes" -}}
{{- $volumes := .service.volumes -}}
{{- if eq .service.kind "frontend" -}}
{{- if .service.routeTable.routes -}}
{{- $volumes = append $volumes (dict "name" "routes" "configMap" (dict "name" (include "practice.routesName" .))) -}}
{{- end -}}
{{- with .service.routeTable.credentials -}}
{{- $volumes = append $volumes (dict "name" "credentials" "secret" (dict "secretName" .)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .service.kind "backend") .service.data.items -}}
{{- $volumes = append $volumes (dict "name" "data" "configMap" (dict "name" (include "practice.dataName" .))) -}}
{{- end -}}
{{- if eq (include "practice.storePasswordAs" .) "file" -}}
{{- $key := .root.Values.store.password.key -}}
{{- $secret := dict "secretName" (include "practice.storeSecret" .root) "items" (list (dict "key" $key "path" $key)) -}}
{{- $volumes = append $volumes (dict "name" "store-password" "secret" $secret) -}}
{{- end -}}
{{- toYaml $volumes -}}
{{- end -}}

{{- define "practice.volumeMounts" -}}
{{- $mounts := .service.volumeMounts -}}
{{- if eq .service.kind "frontend" -}}
{{- if .service.routeTable.routes -}}
{{- $mounts = append $mounts (dict "name" "routes" "mountPath" "/etc/practice/routes" "readOnly" true) -}}
{{- end -}}
{{- if .service.routeTable.credentials -}}
{{- $mounts = append $mounts (dict "name" "credentials" "mountPath" "/etc/practice/credentials" "readOnly" true) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .service.kind "backend") .service.data.items -}}
{{- $mounts = append $mounts (dict "name" "data" "mountPath" "/etc/practice/data" "readOnly" true) -}}
{{- end -}}
{{- if eq (include "practice.storePasswordAs" .) "file" -}}
{{- $mounts = append $mounts (dict "name" "store-password" "mountPath" "/etc/practice/store" "readOnly" true) -}}
{{- end -}}
{{- toYaml $mounts -}}
{{- end -}}

{{- define "practice.container" -}}
{{- $service := .service -}}
name: {{ .name }}
image: {{ include "practice.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
ports:
  - name: http
    containerPort: {{ int $service.service.targetPort }}
  - name: metrics
    containerPort: {{ int $service.service.metricsPort }}
env:
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  {{- if not $service.configMap.enabled }}
  {{- range $variable, $value := include "practice.settings" . | fromYaml }}
  - name: {{ $variable }}
    value: {{ $value | quote }}
  {{- end }}
  {{- end }}
  {{- if eq (include "practice.storePasswordAs" .) "env" }}
  - name: STORE_PASSWORD
    valueFrom:
      secretKeyRef:
        name: {{ include "practice.storeSecret" .root }}
        key: {{ .root.Values.store.password.key }}
  {{- end }}
  {{- range $variable, $value := $service.env }}
  {{- if kindIs "map" $value }}
  - name: {{ $variable }}
    {{- toYaml $value | nindent 4 }}
  {{- end }}
  {{- end }}
{{- if or $service.configMap.enabled $service.envFrom }}
envFrom:
  {{- if $service.configMap.enabled }}
  - configMapRef:
      name: {{ include "practice.name" . }}
  {{- end }}
  {{- with $service.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- range $probe := list "startup" "liveness" "readiness" }}
{{- with index $service.probes $probe }}
{{- if .enabled }}
{{ $probe }}Probe:
  httpGet:
    path: {{ .path | quote }}
    port: http
  initialDelaySeconds: {{ int .initialDelaySeconds }}
  periodSeconds: {{ int .periodSeconds }}
  timeoutSeconds: {{ int .timeoutSeconds }}
  failureThreshold: {{ int .failureThreshold }}
  successThreshold: {{ int .successThreshold }}
  {{- if not (kindIs "invalid" .terminationGracePeriodSeconds) }}
  terminationGracePeriodSeconds: {{ int .terminationGracePeriodSeconds }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if gt (int $service.lifecycle.preStopSeconds) 0 }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ int $service.lifecycle.preStopSeconds }}
{{- end }}
{{- with $service.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $service.securityContext | nindent 2 }}
{{- with include "practice.volumeMounts" . | fromYamlArray }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
