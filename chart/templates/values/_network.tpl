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

{{/*
The rule that lets pods ask for names. Policies are about pods' ports, and not everywhere do those behind the Service listen on its port 53:
OpenShift's have 5353. Then it is the port that they have a name for, which CoreDNS' own manifests and OpenShift's give it.
*/}}
{{- define "practice.egressDns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: dns, protocol: UDP}
    - {port: dns-tcp, protocol: TCP}
{{- end -}}

{{/*
The peers that are an observer of the namespace, whatever release they are of. Their component is what they are called; practice/kind says what they
are where that is something else, and only there: a label more rolls the pods. Stores and the debug pod have no such label, so one that is called observer is taken for one.
*/}}
{{- define "practice.observers" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/component: observer
    matchExpressions:
      - {key: practice/kind, operator: DoesNotExist}
- podSelector:
    matchLabels:
      practice/kind: observer
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

{{/*
Takes the top-level scope: node ports that another release has, which the API server would find out when half of this one is there. It
is known only where there is a cluster to ask.
*/}}
{{- define "practice.takenPorts" -}}
{{- $wanted := dict -}}
{{- range $name, $service := .services -}}
{{- $knob := printf "services.%s.service." $name -}}
{{- with .service -}}
{{- if ne .type "ClusterIP" }}{{ $_ := set $wanted (int .nodePort | toString) (print $knob "nodePort") }}{{ end -}}
{{- if .nodePortBeside.enabled }}{{ $_ := set $wanted (int .nodePortBeside.nodePort | toString) (print $knob "nodePortBeside.nodePort") }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if not .Values.clusterChecks }}{{ $wanted = dict }}{{ end -}}
{{- with omit $wanted "0" -}}
{{- range (lookup "v1" "Service" "" "").items -}}
{{- $at := .metadata -}}
{{- if not (include "practice.own" (dict "root" $ "object" .)) -}}
{{- range .spec.ports -}}
{{- $port := .nodePort | default 0 | int | toString -}}
{{- with index $wanted $port }}
{{ . }}: the Service {{ $at.name }} in the namespace {{ $at.namespace }} has the node port {{ $port }}. Choose another, or 0 and the cluster chooses.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes root and object, one that lookup found: not empty where it is of this release. */}}
{{- define "practice.own" -}}
{{- $by := dig "metadata" "annotations" dict .object -}}
{{- if and (eq (index $by "meta.helm.sh/release-name" | default "") .root.Release.Name) (eq .object.metadata.namespace .root.Release.Namespace) }}yes{{ end -}}
{{- end -}}

{{/*
Takes url, and port, which is that of a url without one: the rule that lets pods reach it. A policy knows addresses and no names: of
a name, it is its port anywhere.
*/}}
{{- define "practice.egressUrl" -}}
{{- $at := urlParse .url -}}
- ports:
    - port: {{ regexFind ":[0-9]+$" $at.host | trimPrefix ":" | default .port | int }}
{{- if regexMatch "^[0-9.]+$|:" $at.hostname }}
  to:
    - ipBlock:
        cidr: {{ printf "%s/%d" $at.hostname (contains ":" $at.hostname | ternary 128 32) | quote }}
{{- end }}
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
{{- $there := ternary (list "http" (printf "%d TCP" (int .port))) list $service.answers -}}
{{- if .exposeMetrics }}{{ $there = append $there "metrics" }}{{ $there = append $there (printf "%d TCP" (int .metricsPort)) }}{{ end -}}
{{- $ports := dict "nodePort" (ternary 0 (int .nodePort) (eq .type "ClusterIP")) "nodePortBeside" (ternary (int .nodePortBeside.nodePort) 0 .nodePortBeside.enabled) -}}
{{- $type := .type -}}
{{- range .extraPorts -}}
{{- $number := printf "%d %s" (int .port) (.protocol | default "TCP") -}}
{{- range list .name $number -}}
{{- if has . $there }}
services.{{ $name }}.service.extraPorts: {{ . }} is there twice, and a Service has each name and each port once. Change one.
{{- end -}}
{{- end -}}
{{- $there = concat $there (list .name $number) -}}
{{- with .nodePort -}}
{{- if eq $type "ClusterIP" }}
services.{{ $name }}.service.extraPorts: the nodePort {{ int . }} is for the types NodePort and LoadBalancer. Take it out, or set type.
{{- end -}}
{{- end -}}
{{- $_ := set $ports (print "extraPorts." .name) (printf "%d %s" (ternary 0 (.nodePort | default 0 | int) (eq $type "ClusterIP")) (.protocol | default "TCP")) -}}
{{- end -}}
{{- range $knob, $wanted := $ports -}}
{{- $port := first (splitList " " (toString $wanted)) -}}
{{- $wanted = contains " " (toString $wanted) | ternary $wanted (print $port " TCP") -}}
{{- if hasKey $taken $wanted }}
services.{{ $name }}.service.{{ $knob }}: {{ $port }} is that of services.{{ index $taken $wanted }} too, and a node has each port once. Choose another, or 0 and the cluster chooses.
{{- end -}}
{{- if ne $port "0" }}{{ $_ := set $taken $wanted $name }}{{ end -}}
{{- if and (ne $port "0") (or (lt (int $port) 30000) (gt (int $port) 32767)) }}
services.{{ $name }}.service.{{ $knob }}: {{ $port }} is outside of 30000 to 32767, where node ports are unless the cluster was told otherwise. Choose one of those, or 0 and the cluster chooses.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $knob, $service := $families -}}
{{- if and (eq .ipFamilyPolicy "SingleStack") (gt (len .ipFamilies) 1) }}
{{ $knob }}.ipFamilies: SingleStack is one family, and there are {{ join ", " .ipFamilies }}. Leave one, or set ipFamilyPolicy to PreferDualStack.
{{- end -}}
{{- end -}}
{{- end -}}
