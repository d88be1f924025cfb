{{/*
The pod of a service. All templates here take a service.
*/}}

{{- define "practice.podAnnotations" -}}
{{- $annotations := dict -}}
{{- if and .configMap.enabled .configMap.rollOnChange -}}
{{- $_ := set $annotations "checksum/config" (include "practice.settings" . | sha256sum) -}}
{{- end -}}
{{- /* A pod reads its items once, when it starts. */ -}}
{{- if and .data.items (has .kind (list "backend" "systems")) -}}
{{- $_ := set $annotations "checksum/data" (toJson .data.items | sha256sum) -}}
{{- end -}}
{{- if .root.Values.monitoring.scrapeAnnotations -}}
{{- $_ := set $annotations "prometheus.io/scrape" "true" -}}
{{- $_ := set $annotations "prometheus.io/port" (int .service.metricsPort | toString) -}}
{{- $_ := set $annotations "prometheus.io/path" "/metrics" -}}
{{- end -}}
{{- with merge (deepCopy .podAnnotations) $annotations }}{{ include "practice.template" (dict "root" $.root "value" .) }}{{ end -}}
{{- end -}}

{{- define "practice.podSpec" -}}
serviceAccountName: {{ include "practice.serviceAccountName" . | toYaml }}
automountServiceAccountToken: {{ eq .kind "observer" }}
enableServiceLinks: {{ .enableServiceLinks }}
{{- include "practice.pullSecrets" .root }}
securityContext:
  {{- toYaml .podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ int .lifecycle.terminationGracePeriodSeconds }}
{{- with include "practice.initContainers" . }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  - {{ include "practice.container" . | nindent 4 | trim }}
{{- range $knob := list "volumes" "nodeSelector" "affinity" "tolerations" "hostAliases" "dnsConfig" }}
{{- with index $ $knob }}
{{ $knob }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $selector := dict "matchLabels" (dict
    "app.kubernetes.io/name" $.root.Chart.Name
    "app.kubernetes.io/instance" $.root.Release.Name
    "app.kubernetes.io/component" $.name) }}
  {{- range . }}
  {{- /* One of its own says all: merged, it would count pods that have both. */}}
  - {{ toYaml (hasKey . "labelSelector" | ternary . (merge (deepCopy .) (dict "labelSelector" $selector))) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | toYaml }}
{{- end }}
{{- end -}}

{{/*
A sidecar is an init container that is always restarted: it starts before the service and stops after it, so that a
proxy does not vanish under a draining service.
*/}}
{{- define "practice.initContainers" -}}
{{- $containers := list -}}
{{- $securityContext := dict "securityContext" .securityContext -}}
{{- range .sidecars -}}
{{- $containers = append $containers (merge (dict "restartPolicy" "Always") (deepCopy .) (deepCopy $securityContext)) -}}
{{- end -}}
{{- /* These cost nothing: a pod asks for what its containers do together or for what one of these does, whichever is more. */ -}}
{{- $resources := .resources | default dict -}}
{{- range .initContainers -}}
{{- $containers = append $containers (merge (deepCopy .) (deepCopy $securityContext) (ternary dict (dict "resources" $resources) (hasKey . "resources"))) -}}
{{- end -}}
{{- with $containers }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- define "practice.container" -}}
name: {{ .name | toYaml }}
image: {{ include "practice.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
ports:
  - name: http
    containerPort: {{ int .service.targetPort }}
  - name: metrics
    containerPort: {{ int .service.metricsPort }}
env:
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  {{- if not .configMap.enabled }}
  {{- range $variable, $value := .settings }}
  - name: {{ $variable | toYaml }}
    value: {{ $value | quote }}
  {{- end }}
  {{- end }}
  {{- with include "practice.storePasswords" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- range $variable, $value := .env }}
  {{- if kindIs "map" $value }}
  - name: {{ $variable | toYaml }}
    {{- include "practice.template" (dict "root" $.root "value" $value) | nindent 4 }}
  {{- end }}
  {{- end }}
{{- if or .configMap.enabled .envFrom }}
envFrom:
  {{- with .envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- /* Of one variable in several of these, the last is taken. */}}
  {{- if .configMap.enabled }}
  - configMapRef:
      name: {{ include "practice.configMapName" . | toYaml }}
  {{- end }}
{{- end }}
{{- range $probe := list "startup" "liveness" "readiness" }}
{{- with index $.probes $probe }}
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
{{- with .lifecycle }}
{{- $preStop := .preStop }}
{{- if not (or $preStop (eq (int .preStopSeconds) 0)) }}{{ $preStop = dict "sleep" (dict "seconds" (int .preStopSeconds)) }}{{ end }}
{{- if or $preStop .postStart }}
lifecycle:
  {{- range $hook, $handler := dict "preStop" $preStop "postStart" .postStart }}
  {{- with $handler }}
  {{ $hook }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .securityContext | nindent 2 }}
{{- with .volumeMounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
