{{/*
What the chart refuses. A template prints one line for each broken rule: the knob, the rule with its numbers, the mend.
All take a dict: root and services (by name, resolved); those about one service also name and service.
*/}}

{{/* Fails where something is broken. References always, rules unless .Values.guards is warn. */}}
{{- define "practice.guard" -}}
{{- $broken := include "practice.brokenReferences" . | trim -}}
{{- if ne .root.Values.guards "warn" -}}
{{- $broken = print $broken "\n" (include "practice.brokenRules" . | trim) | trim -}}
{{- end -}}
{{- if $broken -}}
{{- fail (printf "these values cannot work:\n\n- %s\n" (regexReplaceAll "\n+" $broken "\n- ")) -}}
{{- end -}}
{{- end -}}

{{/* Without these there is nothing to render. */}}
{{- define "practice.brokenReferences" -}}
{{- $root := .root -}}
{{- $services := .services -}}
{{- $names := keys $services | sortAlpha | join ", " -}}
{{- range $from := list "ingress" "httpRoute" -}}
{{- if (index $root.Values $from).enabled -}}
{{- range (index $root.Values $from).paths -}}
{{- if not (hasKey $services .service) }}
{{ $from }}.paths: {{ .path }} leads to the service {{ .service | quote }}, and there are: {{ $names }}. Correct the name, or take the path away.
{{- else if not (include "practice.answers" (index $services .service)) }}
{{ $from }}.paths: {{ .path }} leads to {{ .service }}, a worker, which takes no requests. Name another service, or take the path away.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $root.Values.load.enabled (not (hasKey $services $root.Values.load.service)) }}
load.service: there is no service {{ $root.Values.load.service | quote }}, and there are: {{ $names }}. Correct the name.
{{- else if and $root.Values.load.enabled (not (include "practice.answers" (index $services $root.Values.load.service))) }}
load.service: {{ $root.Values.load.service }} is a worker, which takes no requests. Name another service.
{{- end -}}
{{- include "practice.brokenCertificate" . -}}
{{- include "practice.brokenStore" . -}}
{{- include "practice.brokenNames" . -}}
{{- range $name, $service := $services -}}
{{- range $knob, $upstream := include "practice.upstreams" $service | fromYaml -}}
{{- $knob = print "services." $name "." $knob -}}
{{- $to := $upstream.service | default "" -}}
{{- if $upstream.url -}}
{{- else if not (hasKey $services $to) }}
{{ $knob }}.service: there is no service {{ $to | quote }}, and there are: {{ $names }}. Correct the name, or give a url.
{{- else if not (include "practice.answers" (index $services $to)) }}
{{ $knob }}.service: {{ $to }} is a worker, which takes no requests. Name another service, or give a url.
{{- else if eq $name $to }}
{{ $knob }}.service: {{ $name }} would send every request to itself. Name another service, or give a url.
{{- else if and $upstream.headless (not (index $services $to).service.headless) }}
{{ $knob }}.headless: {{ $to }} has no headless Service. Set services.{{ $to }}.service.headless to true.
{{- end -}}
{{- end -}}
{{- $table := $service.routeTable -}}
{{- $known := keys $table.upstreams | sortAlpha | join ", " -}}
{{- range $route := $table.routes -}}
{{- $used := compact (list $route.upstream) -}}
{{- range concat ($route.split | default list) ($route.pins | default list) }}{{ $used = append $used .upstream }}{{ end -}}
{{- if not $used }}
services.{{ $name }}.routeTable.routes: {{ $route.path }} leads nowhere. Give it upstream or split.
{{- end -}}
{{- range $used -}}
{{- if not (hasKey $table.upstreams .) }}
services.{{ $name }}.routeTable.routes: {{ $route.path }} leads to the upstream {{ . | quote }}, and there are: {{ $known }}. Correct the name, or add it to routeTable.upstreams.
{{- end -}}
{{- end -}}
{{- if and $route.auth (not $table.credentials) }}
services.{{ $name }}.routeTable.credentials: {{ $route.path }} asks for credentials, and no Secret has them. Name one.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Two objects of one kind and name: Helm applies the one over the other. */}}
{{- define "practice.brokenNames" -}}
{{- $suffix := .root.Values.names.serviceSuffix -}}
{{- $store := .root.Values.store -}}
{{- $objects := list -}}
{{- if $store.enabled -}}
{{- $objects = append $objects (dict "is" (print "Service " $store.name $suffix "-headless") "by" "store") -}}
{{- end -}}
{{- range $name, $service := .services -}}
{{- $knob := print "services." $name -}}
{{- if or (include "practice.answers" $service) $service.service.exposeMetrics -}}
{{- $objects = append $objects (dict "is" (print "Service " $name $suffix) "by" $knob) -}}
{{- end -}}
{{- if $service.service.headless -}}
{{- $objects = append $objects (dict "is" (print "Service " $name $suffix "-headless") "by" (print $knob ".service.headless")) -}}
{{- end -}}
{{- if $service.service.nodePortBeside.enabled -}}
{{- $objects = append $objects (dict "is" (print "Service " $name "-nodeport" $suffix) "by" (print $knob ".service.nodePortBeside")) -}}
{{- end -}}
{{- if $service.configMap.enabled -}}
{{- $objects = append $objects (dict "is" (print "ConfigMap " $name) "by" (print $knob ".configMap")) -}}
{{- end -}}
{{- if and (eq $service.kind "backend") $service.data.items -}}
{{- $objects = append $objects (dict "is" (print "ConfigMap " $name "-data") "by" (print $knob ".data")) -}}
{{- end -}}
{{- if and (eq $service.kind "frontend") $service.routeTable.routes -}}
{{- $objects = append $objects (dict "is" (print "ConfigMap " $name "-routes") "by" (print $knob ".routeTable")) -}}
{{- end -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $objects -}}
{{- if hasKey $taken .is }}
{{ .by }}: it makes the {{ .is }}, as {{ index $taken .is }} does, and one would replace the other. Rename a service.
{{- end -}}
{{- $_ := set $taken .is .by -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenCertificate" -}}
{{- with .root.Values.ingress -}}
{{- if and .enabled .selfSigned.enabled }}
{{- if not (include "practice.ingressHosts" $.root | fromYamlArray) }}
ingress.selfSigned: a certificate is for names, and there are none. Name one in ingress.hosts.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenStore" -}}
{{- $root := .root -}}
{{- $store := $root.Values.store -}}
{{- if and $store.enabled (hasKey .services $store.name) }}
store.name: {{ $store.name }} is a service too, and two objects would have one name. Choose another.
{{- end -}}
{{- if and $store.enabled $store.url }}
store.url: {{ $store.url }} is a store outside of this release, and store.enabled makes one inside. Choose one of them.
{{- end -}}
{{- range $name, $service := .services -}}
{{- if eq $service.kind "backend" -}}
{{- if and $service.useStore (not $store.enabled) (not $store.url) }}
services.{{ $name }}.useStore: there is no store. Set store.enabled to true, or give store.url.
{{- end -}}
{{- if and (eq $service.role "worker") (not $service.useStore) }}
services.{{ $name }}.role: a worker takes its jobs from the store. Set services.{{ $name }}.useStore to true.
{{- end -}}
{{- if and (eq $service.role "worker") (ne $service.service.type "ClusterIP") }}
services.{{ $name }}.service.type: a worker takes no requests, from outside even less. Leave it ClusterIP.
{{- end -}}
{{- if and (eq $service.role "worker") $service.service.nodePortBeside.enabled }}
services.{{ $name }}.service.nodePortBeside: a worker takes no requests. Set enabled to false.
{{- end -}}
{{- if and $service.voteOptions (not $service.useStore) }}
services.{{ $name }}.voteOptions: votes are kept in the store. Set services.{{ $name }}.useStore to true.
{{- end -}}
{{- if eq (len $service.voteOptions) 1 }}
services.{{ $name }}.voteOptions: {{ first $service.voteOptions }} alone is no choice. Give two or more, or none.
{{- end -}}
{{- $ids := list -}}
{{- range $service.data.items }}{{ $ids = append $ids (toJson .id) }}{{ end -}}
{{- if ne (len $ids) (len (uniq $ids)) }}
services.{{ $name }}.data.items: two items have the same id, and a path leads to one. Number them anew.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenRules" -}}
{{- $root := .root -}}
{{- $services := .services -}}
{{- range $name, $service := $services -}}
{{- $scope := dict "root" $root "services" $services "name" $name "service" $service -}}
{{- include "practice.brokenRollout" $scope -}}
{{- include "practice.brokenShutdown" $scope -}}
{{- include "practice.brokenProbes" $scope -}}
{{- include "practice.brokenScaling" $scope -}}
{{- include "practice.brokenDisruptionBudget" $scope -}}
{{- include "practice.brokenPorts" $scope -}}
{{- include "practice.brokenTimeouts" $scope -}}
{{- include "practice.brokenMemory" $scope -}}
{{- end -}}
{{- include "practice.brokenNodePorts" . -}}
{{- include "practice.brokenFamilies" . -}}
{{- end -}}

{{/* What the API server refuses of the IP families of a Service. */}}
{{- define "practice.brokenFamilies" -}}
{{- $knobs := dict "store" .root.Values.store -}}
{{- range $name, $service := .services -}}
{{- $_ := set $knobs (print "services." $name ".service") $service.service -}}
{{- end -}}
{{- range $knob, $families := $knobs -}}
{{- if and (eq $families.ipFamilyPolicy "SingleStack") (gt (len $families.ipFamilies) 1) }}
{{ $knob }}.ipFamilies: SingleStack is one family, and there are {{ join ", " $families.ipFamilies }}. Leave one, or set ipFamilyPolicy to PreferDualStack.
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenRollout" -}}
{{- $knob := print "services." .name -}}
{{- $strategy := .service.strategy -}}
{{- if and (eq $strategy.type "RollingUpdate") (eq (trimSuffix "%" (toString $strategy.maxSurge) | int) 0) (eq (trimSuffix "%" (toString $strategy.maxUnavailable) | int) 0) }}
{{ $knob }}.strategy: maxSurge {{ $strategy.maxSurge }} and maxUnavailable {{ $strategy.maxUnavailable }} leave a rollout no pod to start and none to stop. Set maxSurge to 1.
{{- end -}}
{{- $ready := include "practice.readySeconds" .service | int -}}
{{- $needed := add $ready (int .service.minReadySeconds) -}}
{{- if ge $needed (int .service.progressDeadlineSeconds | int64) }}
{{ $knob }}.progressDeadlineSeconds: a good pod may take {{ $ready }} s to be ready and {{ int .service.minReadySeconds }} s to count as available, so {{ int .service.progressDeadlineSeconds }} s would fail good rollouts. Set more than {{ $needed }}, or quicker probes.
{{- end -}}
{{- end -}}

{{- define "practice.brokenShutdown" -}}
{{- $knob := print "services." .name -}}
{{- $lifecycle := .service.lifecycle -}}
{{- $needed := include "practice.shutdownSeconds" .service | float64 -}}
{{- if gt $needed (float64 $lifecycle.terminationGracePeriodSeconds) }}
{{ $knob }}.lifecycle: preStop {{ $lifecycle.preStopSeconds }} + drain {{ $lifecycle.drainSeconds }} + longest request {{ $lifecycle.longestRequestSeconds }} + 2 to spare = {{ $needed }} s, and the pod is killed after terminationGracePeriodSeconds {{ int $lifecycle.terminationGracePeriodSeconds }}. Set it to {{ ceil $needed }} or more.
{{- end -}}
{{- $longest := float64 $lifecycle.longestRequestSeconds -}}
{{- if and (eq .service.kind "backend") (gt (divf .service.burn.maxMs 1000) $longest) }}
{{ $knob }}.burn.maxMs: a burn of {{ int .service.burn.maxMs }} ms outlasts lifecycle.longestRequestSeconds {{ $longest }}, and a rollout would cut it off. Lower the one or raise the other.
{{- end -}}
{{- range $upstream, $knobs := include "practice.upstreams" .service | fromYaml -}}
{{- if gt (float64 $knobs.timeoutSeconds) $longest }}
{{ $knob }}.{{ $upstream }}.timeoutSeconds: a request of {{ $knobs.timeoutSeconds }} s outlasts lifecycle.longestRequestSeconds {{ $longest }}, and a rollout would cut it off. Lower the one or raise the other.
{{- end -}}
{{- end -}}
{{- range .service.routeTable.routes -}}
{{- if and .timeoutSeconds (gt (float64 .timeoutSeconds) $longest) }}
{{ $knob }}.routeTable.routes: {{ .path }}: a request of {{ .timeoutSeconds }} s (timeoutSeconds) outlasts lifecycle.longestRequestSeconds {{ $longest }}, and a rollout would cut it off. Lower the one or raise the other.
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenProbes" -}}
{{- $name := .name -}}
{{- range $probe := list "startup" "liveness" "readiness" -}}
{{- with index $.service.probes $probe -}}
{{- if and .enabled (gt (int .timeoutSeconds) (int .periodSeconds)) }}
services.{{ $name }}.probes.{{ $probe }}: a try may take {{ int .timeoutSeconds }} s (timeoutSeconds), and the next is due after {{ int .periodSeconds }} s (periodSeconds). Set timeoutSeconds to {{ int .periodSeconds }} or less.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenScaling" -}}
{{- $knob := print "services." .name -}}
{{- $scaling := .service.autoscaling -}}
{{- if $scaling.enabled -}}
{{- $own := index .root.Values.services .name -}}
{{- if hasKey $own "replicas" }}
{{ $knob }}.replicas: {{ $own.replicas }} pods are asked for, and autoscaling keeps {{ int $scaling.minReplicas }} to {{ int $scaling.maxReplicas }}. Set autoscaling.minReplicas instead, or autoscaling.enabled to false.
{{- end -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
{{ $knob }}.autoscaling: minReplicas {{ int $scaling.minReplicas }} is above maxReplicas {{ int $scaling.maxReplicas }}. Set maxReplicas to {{ int $scaling.minReplicas }} or more.
{{- end -}}
{{- $targets := dict "cpu" $scaling.targetCPUUtilizationPercentage "memory" $scaling.targetMemoryUtilizationPercentage -}}
{{- if and (kindIs "invalid" $targets.cpu) (kindIs "invalid" $targets.memory) }}
{{ $knob }}.autoscaling: enabled without a target, so there is nothing to scale by. Set targetCPUUtilizationPercentage.
{{- end -}}
{{- $containers := list (dict "name" .name "resources" .service.resources) -}}
{{- range .service.sidecars -}}
{{- $containers = append $containers (dict "name" .name "resources" (.resources | default dict)) -}}
{{- end -}}
{{- range $resource, $target := $targets -}}
{{- range $containers -}}
{{- /* Kubernetes takes a limit for the request where there is none. */ -}}
{{- if not (or (kindIs "invalid" $target) (dig "requests" $resource "" .resources) (dig "limits" $resource "" .resources)) }}
{{ $knob }}.autoscaling: the target is {{ int $target }} % of the {{ $resource }} request, and the container {{ .name }} requests none, so the autoscaler sees <unknown>. Set resources.requests.{{ $resource }}.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenDisruptionBudget" -}}
{{- $knob := print "services." .name ".podDisruptionBudget" -}}
{{- $budget := .service.podDisruptionBudget -}}
{{- $pods := include "practice.pods" .service | int -}}
{{- if $budget.enabled -}}
{{- $limits := list -}}
{{- range $limit := list "maxUnavailable" "minAvailable" -}}
{{- if not (kindIs "invalid" (index $budget $limit)) }}{{ $limits = append $limits $limit }}{{ end -}}
{{- end -}}
{{- if ne (len $limits) 1 }}
{{ $knob }}: {{ len $limits }} of maxUnavailable and minAvailable are set, and Kubernetes takes exactly 1. Set the other to null.
{{- else if has "maxUnavailable" $limits -}}
{{- if eq (include "practice.count" (dict "value" $budget.maxUnavailable "pods" 100 "round" "ceil")) "0" }}
{{ $knob }}: maxUnavailable {{ $budget.maxUnavailable }} lets no pod go, and a drain would wait for ever. Set it to 1.
{{- end -}}
{{- else if and (gt $pods 0) (ge (include "practice.count" (dict "value" $budget.minAvailable "pods" $pods "round" "ceil") | int) $pods) }}
{{ $knob }}: minAvailable {{ $budget.minAvailable }} of {{ $pods }} pods lets none go, and a drain would wait for ever. Set minAvailable lower, or use maxUnavailable 1.
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenPorts" -}}
{{- $knob := print "services." .name ".service" -}}
{{- $service := .service.service -}}
{{- if eq (int $service.targetPort) (int $service.metricsPort) }}
{{ $knob }}: targetPort and metricsPort are both {{ int $service.metricsPort }}, and one process cannot listen twice. Change one.
{{- end -}}
{{- if and $service.exposeMetrics (eq (int $service.port) (int $service.metricsPort)) }}
{{ $knob }}: port and metricsPort are both {{ int $service.metricsPort }}, and a Service has each port once. Change one, or set exposeMetrics to false.
{{- end -}}
{{- end -}}

{{- define "practice.brokenTimeouts" -}}
{{- $knob := print "services." .name -}}
{{- range $at, $upstream := include "practice.upstreams" .service | fromYaml -}}
{{- if gt (float64 $upstream.tryTimeoutSeconds) (float64 $upstream.timeoutSeconds) }}
{{ $knob }}.{{ $at }}: one try may take {{ $upstream.tryTimeoutSeconds }} s (tryTimeoutSeconds), all together {{ $upstream.timeoutSeconds }} s (timeoutSeconds). Set tryTimeoutSeconds to {{ $upstream.timeoutSeconds }} or less.
{{- end -}}
{{- if and (not $upstream.url) (hasKey $.services ($upstream.service | default "")) -}}
{{- $idle := (index $.services $upstream.service).connections.idleTimeoutSeconds -}}
{{- if ge (float64 $upstream.idleSeconds) (float64 $idle) }}
{{ $knob }}.{{ $at }}.idleSeconds: idle connections are kept {{ $upstream.idleSeconds }} s, and {{ $upstream.service }} closes them after {{ $idle }} s (connections.idleTimeoutSeconds), so that requests meet closing connections. Set it below {{ $idle }}.
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq .service.kind "backend") (lt (int .service.burn.maxMs) (int .service.burn.defaultMs)) }}
{{ $knob }}.burn: defaultMs {{ int .service.burn.defaultMs }} is above maxMs {{ int .service.burn.maxMs }}. Set defaultMs to {{ int .service.burn.maxMs }} or less.
{{- end -}}
{{- end -}}

{{- define "practice.brokenMemory" -}}
{{- $limit := include "practice.bytes" (dig "limits" "memory" "" .service.resources | default "") -}}
{{- if $limit -}}
{{- $memory := include "practice.memory" .service | fromYaml -}}
{{- $needed := int64 $memory.bytes -}}
{{- if gt $needed (int64 $limit) -}}
{{- $connections := div (sub (int64 $limit) (sub $needed (int64 $memory.connections))) (int64 $memory.connection) }}
services.{{ .name }}.resources.limits.memory: connections.maxConnections {{ int64 .service.connections.maxConnections }}, requests.maxHeadBytes {{ int64 .service.requests.maxHeadBytes }}, maxInFlight {{ int64 .service.requests.maxInFlight }}{{ if eq .service.kind "frontend" }}, tunnels.max {{ int64 .service.tunnels.max }}{{ end }} and requests.maxHeldBodyBytes {{ int64 .service.requests.maxHeldBodyBytes }} let clients take {{ $needed }} bytes, and the pod is killed beyond {{ .service.resources.limits.memory }}. Set the limit to {{ ceil (divf $needed 1048576) }}Mi or more, or {{ if ge $connections 16 }}connections.maxConnections to {{ $connections }} or less{{ else }}lower all of them{{ end }}.
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What a pod's own container may take of memory while every bound is stretched at once, and what of that connections take, in bytes.
The sum is the binary's own (`--memory`; service/src/process/memory.rs says what the figures are), and chart/tests/memory.py holds it to that.
*/}}
{{- define "practice.memory" -}}
{{- $buffer := max 8192 (int64 .requests.maxHeadBytes) -}}
{{- $inFlight := int64 .requests.maxInFlight -}}
{{- $connection := add 28672 (mul 2 $buffer) -}}
{{- $connections := mul (int64 .connections.maxConnections) $connection -}}
{{- $bytes := add 16777216 $connections (int64 .requests.maxHeldBodyBytes) -}}
{{- if eq .kind "frontend" -}}
{{- $upstream := 98304 -}}
{{- $clients := 0 -}}
{{- range .routeTable.routes }}{{ if .rateLimit }}{{ $clients = add $clients 10000 }}{{ end }}{{ end -}}
{{- $bytes = add $bytes (mul $inFlight (add $upstream (mul 2 $buffer))) (mul (min $inFlight 128) $upstream) (mul $clients 64) (mul (min (int64 .tunnels.max) (int64 .connections.maxConnections)) 24576) -}}
{{- else -}}
{{- $bytes = add $bytes (mul $inFlight (add 32768 $buffer)) (mul (int64 .burn.slots) 65536) -}}
{{- end -}}
{{- dict "bytes" (toString $bytes) "connections" (toString $connections) "connection" (toString $connection) | toYaml -}}
{{- end -}}

{{/* The bytes of a quantity of Kubernetes, such as 256Mi. Nothing where it is none that a memory limit has. */}}
{{- define "practice.bytes" -}}
{{- $text := kindIs "string" . | ternary . (int64 . | toString) -}}
{{- $number := regexFind "^[0-9]*([.][0-9]+)?" $text -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- with index $units (trimPrefix $number $text) -}}
{{- if $number }}{{ mulf (float64 $number) . | int64 }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "practice.brokenNodePorts" -}}
{{- $taken := dict -}}
{{- range $name, $service := .services -}}
{{- $port := int $service.service.nodePort | toString -}}
{{- if and (ne $service.service.type "ClusterIP") (ne $port "0") -}}
{{- if hasKey $taken $port }}
services.{{ $name }}.service.nodePort: {{ $port }} is that of services.{{ index $taken $port }} too, and a node has each port once. Choose another, or 0 and the cluster chooses.
{{- end -}}
{{- $_ := set $taken $port $name -}}
{{- end -}}
{{- $beside := $service.service.nodePortBeside -}}
{{- $port = int $beside.nodePort | toString -}}
{{- if and $beside.enabled (ne $port "0") -}}
{{- if hasKey $taken $port }}
services.{{ $name }}.service.nodePortBeside: {{ $port }} is that of services.{{ index $taken $port }} too, and a node has each port once. Choose another, or 0 and the cluster chooses.
{{- end -}}
{{- $_ := set $taken $port $name -}}
{{- end -}}
{{- end -}}
{{- end -}}
