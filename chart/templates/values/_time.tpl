{{/*
How long things take, and which bound has to be above which.
*/}}

{{/* Takes a service: the most seconds its startup probe waits before it gives up on a container. */}}
{{- define "practice.startupSeconds" -}}
{{- with .probes.startup -}}
{{- ternary (add (int .initialDelaySeconds) (mul (int .periodSeconds) (int .failureThreshold))) 0 .enabled -}}
{{- end -}}
{{- end -}}

{{/*
Takes a service: the most seconds from a container's start until a pod that does start is ready. The readiness probe's
initial delay counts from the container's start, not from the startup probe's success.
*/}}
{{- define "practice.readySeconds" -}}
{{- $startup := include "practice.startupSeconds" . | int -}}
{{- with .probes.readiness -}}
{{- $more := add (mul (int .periodSeconds) (int .successThreshold)) (int .timeoutSeconds) -}}
{{- ternary (add (max $startup (int .initialDelaySeconds)) $more) $startup .enabled -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope. */}}
{{- define "practice.brokenTimes" -}}
{{- with .Values.monitoring.serviceMonitor -}}
{{- $times := list -}}
{{- range list .scrapeTimeout .interval }}{{ $times = append $times (mul (regexFind "^[0-9]+" . | int64) (index (dict "ms" 1 "s" 1000 "m" 60000) (regexFind "[a-z]+$" .))) }}{{ end -}}
{{- if and .enabled (gt (first $times) (last $times)) }}
monitoring.serviceMonitor.scrapeTimeout: {{ .scrapeTimeout }} is longer than the interval {{ .interval }}, and the operator takes no such target. Set it to {{ .interval }} or less.
{{- end -}}
{{- end -}}
{{- range $name, $service := .services -}}
{{- $ready := include "practice.readySeconds" . | int -}}
{{- $available := add $ready (int .minReadySeconds) -}}
{{- if ge $available (int64 .progressDeadlineSeconds) }}
services.{{ $name }}.progressDeadlineSeconds: a good pod may take {{ $ready }} s to be ready and {{ int .minReadySeconds }} s to count as available, so {{ int .progressDeadlineSeconds }} s would fail good rollouts. Set more than {{ $available }}, or quicker probes.
{{- end -}}
{{- range $probe := list "startup" "liveness" "readiness" -}}
{{- with index $service.probes $probe -}}
{{- if and .enabled (gt (int .timeoutSeconds) (int .periodSeconds)) }}
services.{{ $name }}.probes.{{ $probe }}: a try may take {{ int .timeoutSeconds }} s (timeoutSeconds), and the next is due after {{ int .periodSeconds }} s (periodSeconds). Set timeoutSeconds to {{ int .periodSeconds }} or less.
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .lifecycle -}}
{{- $shutdown := addf .preStopSeconds .drainSeconds .longestRequestSeconds 2 -}}
{{- if gt $shutdown (float64 .terminationGracePeriodSeconds) }}
services.{{ $name }}.lifecycle: preStop {{ .preStopSeconds }} + drain {{ .drainSeconds }} + longest request {{ .longestRequestSeconds }} + 2 to spare = {{ $shutdown }} s, and the pod is killed after terminationGracePeriodSeconds {{ int .terminationGracePeriodSeconds }}. Set it to {{ ceil $shutdown }} or more.
{{- end -}}
{{- end -}}
{{- $longest := float64 .lifecycle.longestRequestSeconds -}}
{{- if and (eq .kind "backend") (gt (divf .burn.maxMs 1000) $longest) }}
services.{{ $name }}.burn.maxMs: a burn of {{ int .burn.maxMs }} ms outlasts lifecycle.longestRequestSeconds {{ $longest }}, and a rollout would cut it off. Lower the one or raise the other.
{{- end -}}
{{- if and (eq .kind "backend") (lt (int .burn.maxMs) (int .burn.defaultMs)) }}
services.{{ $name }}.burn: defaultMs {{ int .burn.defaultMs }} is above maxMs {{ int .burn.maxMs }}. Set defaultMs to {{ int .burn.maxMs }} or less.
{{- end -}}
{{- range $knob, $upstream := .upstreams -}}
{{- if gt (float64 .timeoutSeconds) $longest }}
services.{{ $name }}.{{ $knob }}.timeoutSeconds: a request of {{ .timeoutSeconds }} s outlasts lifecycle.longestRequestSeconds {{ $longest }}, and a rollout would cut it off. Lower the one or raise the other.
{{- end -}}
{{- if gt (float64 .tryTimeoutSeconds) (float64 .timeoutSeconds) }}
services.{{ $name }}.{{ $knob }}: one try may take {{ .tryTimeoutSeconds }} s (tryTimeoutSeconds), all together {{ .timeoutSeconds }} s (timeoutSeconds). Set tryTimeoutSeconds to {{ .timeoutSeconds }} or less.
{{- end -}}
{{- $to := index $.services (.service | default "") -}}
{{- if and $to (not .url) (ge (float64 .idleSeconds) (float64 $to.connections.idleTimeoutSeconds)) }}
services.{{ $name }}.{{ $knob }}.idleSeconds: idle connections are kept {{ .idleSeconds }} s, and {{ .service }} closes them after {{ $to.connections.idleTimeoutSeconds }} s (connections.idleTimeoutSeconds), so that requests meet closing connections. Set it below {{ $to.connections.idleTimeoutSeconds }}.
{{- end -}}
{{- end -}}
{{- range .routeTable.routes -}}
{{- if and .timeoutSeconds (gt (float64 .timeoutSeconds) $longest) }}
services.{{ $name }}.routeTable.routes: {{ .path }}: a request of {{ .timeoutSeconds }} s (timeoutSeconds) outlasts lifecycle.longestRequestSeconds {{ $longest }}, and a rollout would cut it off. Lower the one or raise the other.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
