{{/*
Ports, IP families and network policies.
*/}}

{{/*
Takes the knobs of a Service: the lines of its spec that say which IP families it has, for all Services of a service alike. None: what
the cluster has.
*/}}
{{- define "practice.ipFamilies" -}}
{{- with .ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
  ipFamilies:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Takes root, name and port: the rule of a network policy that lets pods reach those. */}}
{{- define "practice.egress" -}}
- ports:
    - port: {{ int .port }}
  to:
    - podSelector:
        matchLabels:
          {{- include "practice.selectorLabels" . | nindent 10 }}
{{- end -}}

{{/* Takes the top-level scope: what a process, a Service or a node cannot have twice, and what the API server refuses. */}}
{{- define "practice.brokenPorts" -}}
{{- $families := dict -}}
{{- range $name, $store := .stores }}{{ $_ := set $families (print "stores." $name) $store }}{{ end -}}
{{- $taken := dict -}}
{{- range $name, $service := .services -}}
{{- with .service -}}
{{- $_ := set $families (print "services." $name ".service") . -}}
{{- if eq (int .targetPort) (int .metricsPort) }}
services.{{ $name }}.service: targetPort and metricsPort are both {{ int .metricsPort }}, and one process cannot listen twice. Change one.
{{- end -}}
{{- if and .exposeMetrics (eq (int .port) (int .metricsPort)) }}
services.{{ $name }}.service: port and metricsPort are both {{ int .metricsPort }}, and a Service has each port once. Change one, or set exposeMetrics to false.
{{- end -}}
{{- $ports := dict "nodePort" (ternary 0 (int .nodePort) (eq .type "ClusterIP")) "nodePortBeside" (ternary (int .nodePortBeside.nodePort) 0 .nodePortBeside.enabled) -}}
{{- range $knob, $port := $ports -}}
{{- $port = toString $port -}}
{{- if hasKey $taken $port }}
services.{{ $name }}.service.{{ $knob }}: {{ $port }} is that of services.{{ index $taken $port }} too, and a node has each port once. Choose another, or 0 and the cluster chooses.
{{- end -}}
{{- if ne $port "0" }}{{ $_ := set $taken $port $name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $knob, $service := $families -}}
{{- if and (eq .ipFamilyPolicy "SingleStack") (gt (len .ipFamilies) 1) }}
{{ $knob }}.ipFamilies: SingleStack is one family, and there are {{ join ", " .ipFamilies }}. Leave one, or set ipFamilyPolicy to PreferDualStack.
{{- end -}}
{{- end -}}
{{- end -}}
