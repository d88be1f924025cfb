{{/*
Memory, one sum, and quantities.
*/}}

{{/*
Takes the top-level scope: where a pod's own container may take more than its limit while every bound is stretched at once. The sum is
the binary's own (`--memory`; service/src/process/memory.rs says what the figures are), and chart/tests/memory.py holds it to that.
*/}}
{{- define "practice.brokenMemory" -}}
{{- range $name, $service := .services -}}
{{- $limit := include "practice.bytes" (dig "limits" "memory" "" .resources | default "") -}}
{{- $buffer := max 8192 (int64 .requests.maxHeadBytes) -}}
{{- $inFlight := int64 .requests.maxInFlight -}}
{{- $connection := add 28672 (mul 2 $buffer) -}}
{{- $rest := add 16777216 (int64 .requests.maxHeldBodyBytes) -}}
{{- if eq .kind "frontend" -}}
{{- $upstream := 98304 -}}
{{- $clients := 0 -}}
{{- $parts := 0 -}}
{{- range .routeTable.routes }}{{ if .rateLimit }}{{ $clients = add $clients 10000 }}{{ end }}{{ if .aggregate }}{{ $parts = 64 }}{{ end }}{{ end -}}
{{- $rest = add $rest (mul (add $inFlight $parts) (add $upstream (mul 2 $buffer))) (mul (min $inFlight 128) $upstream) (mul $clients 64) (mul (min (int64 .tunnels.max) (int64 .connections.maxConnections)) 24576) -}}
{{- else -}}
{{- $rest = add $rest (mul $inFlight (add 32768 $buffer)) (mul (ternary (int64 .burn.slots) 0 (eq .kind "backend")) 65536) -}}
{{- if eq .kind "observer" }}{{ $rest = add $rest (mul (ternary 7 6 .observeNodes) 4194304) (mul 8 262144) (mul 64 (add 32768 $buffer)) }}{{ end -}}
{{- end -}}
{{- $needed := add $rest (mul (int64 .connections.maxConnections) $connection) -}}
{{- if and $limit (gt $needed (int64 $limit)) -}}
{{- $connections := div (sub (int64 $limit) $rest) $connection }}
services.{{ $name }}.resources.limits.memory: connections.maxConnections {{ int64 .connections.maxConnections }}, requests.maxHeadBytes {{ int64 .requests.maxHeadBytes }}, maxInFlight {{ $inFlight }}{{ if eq .kind "frontend" }}, tunnels.max {{ int64 .tunnels.max }}{{ end }} and requests.maxHeldBodyBytes {{ int64 .requests.maxHeldBodyBytes }} let clients take {{ $needed }} bytes, and the pod is killed beyond {{ include "practice.text" .resources.limits.memory }}. Set the limit to {{ ceil (divf $needed 1048576) }}Mi or more, or {{ if ge $connections 16 }}connections.maxConnections to {{ $connections }} or less{{ else }}lower all of them{{ end }}.
{{- end -}}
{{- end -}}
{{- range $name, $store := .stores -}}
{{- $knob := ternary "postgres.sharedBuffersMiB" "maxMemoryMiB" (eq .type "postgres") -}}
{{- $mib := ternary .postgres.sharedBuffersMiB .maxMemoryMiB (eq .type "postgres") | int64 -}}
{{- $limit := include "practice.bytes" (dig "limits" "memory" "" .resources | default "") -}}
{{- if and .inside $limit (ge (mul $mib 1048576) (int64 $limit)) }}
stores.{{ $name }}.{{ $knob }}: {{ $mib }} MiB do not fit into resources.limits.memory {{ include "practice.text" .resources.limits.memory }}, and the pod is killed before they are full. Lower the one or raise the other.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The bytes of a quantity of Kubernetes, such as 256Mi. Nothing where it is none that a memory limit has. */}}
{{- define "practice.bytes" -}}
{{- with include "practice.thousandths" . }}{{ div . 1000 }}{{ end -}}
{{- end -}}

{{/* The thousandths of a quantity, of cores for example. */}}
{{- define "practice.thousandths" -}}
{{- $text := include "practice.text" . -}}
{{- $number := regexFind "^[0-9]*([.][0-9]+)?" $text -}}
{{- $units := dict "m" 1 "" 1000 "k" 1e6 "M" 1e9 "G" 1e12 "T" 1e15 "Ki" 1024000 "Mi" 1048576000 "Gi" 1073741824000 "Ti" 1099511627776000 -}}
{{- with index $units (trimPrefix $number $text) -}}
{{- if $number }}{{ mulf (float64 $number) . | int64 }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope: quantities that no pod can have, or that lack their unit. */}}
{{- define "practice.brokenResources" -}}
{{- $all := dict "client" .Values.client.resources -}}
{{- range $name, $service := .services -}}
{{- $_ := set $all (print "services." $name) .resources -}}
{{- range $knob := list "initContainers" "sidecars" -}}
{{- range index $service $knob }}{{ $_ := set $all (printf "services.%s.%s.%s" $name $knob .name) (.resources | default dict) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $name, $store := .stores }}{{ $_ := set $all (print "stores." $name) .resources }}{{ end -}}
{{- range $of, $resources := $all -}}
{{- $knob := print $of ".resources" -}}
{{- range $resource, $request := .requests -}}
{{- $limit := index ($resources.limits | default dict) $resource -}}
{{- $most := include "practice.thousandths" $limit -}}
{{- if and $request $limit $most (gt (include "practice.thousandths" $request | int64) (int64 $most)) }}
{{ $knob }}: requests.{{ $resource }} {{ include "practice.text" $request }} is above limits.{{ $resource }} {{ include "practice.text" $limit }}, and Kubernetes takes no such pod. Lower the one or raise the other.
{{- end -}}
{{- end -}}
{{- range $bound := list "requests" "limits" -}}
{{- with index $resources $bound -}}
{{- if and .cpu (ge (include "practice.thousandths" .cpu | int64) 100000) }}
{{ $knob }}.{{ $bound }}.cpu: {{ include "practice.text" .cpu }} is that many cores, and 250m is a quarter of one. Write the unit.
{{- end -}}
{{- range $resource, $quantity := pick . "memory" "ephemeral-storage" -}}
{{- $bytes := include "practice.bytes" $quantity -}}
{{- if and $quantity $bytes (lt (int64 $bytes) 1048576) }}
{{ $knob }}.{{ $bound }}.{{ $resource }}: {{ include "practice.text" $quantity }} is less than 1 MiB, in which nothing starts. Write the unit, as in 128Mi.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
