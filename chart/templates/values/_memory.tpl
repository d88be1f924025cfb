{{/*
Memory: one sum.
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
{{- range .routeTable.routes }}{{ if .rateLimit }}{{ $clients = add $clients 10000 }}{{ end }}{{ end -}}
{{- $rest = add $rest (mul $inFlight (add $upstream (mul 2 $buffer))) (mul (min $inFlight 128) $upstream) (mul $clients 64) (mul (min (int64 .tunnels.max) (int64 .connections.maxConnections)) 24576) -}}
{{- else -}}
{{- $rest = add $rest (mul $inFlight (add 32768 $buffer)) (mul (ternary (int64 .burn.slots) 0 (eq .kind "backend")) 65536) -}}
{{- end -}}
{{- $needed := add $rest (mul (int64 .connections.maxConnections) $connection) -}}
{{- if and $limit (gt $needed (int64 $limit)) -}}
{{- $connections := div (sub (int64 $limit) $rest) $connection }}
services.{{ $name }}.resources.limits.memory: connections.maxConnections {{ int64 .connections.maxConnections }}, requests.maxHeadBytes {{ int64 .requests.maxHeadBytes }}, maxInFlight {{ $inFlight }}{{ if eq .kind "frontend" }}, tunnels.max {{ int64 .tunnels.max }}{{ end }} and requests.maxHeldBodyBytes {{ int64 .requests.maxHeldBodyBytes }} let clients take {{ $needed }} bytes, and the pod is killed beyond {{ include "practice.text" .resources.limits.memory }}. Set the limit to {{ ceil (divf $needed 1048576) }}Mi or more, or {{ if ge $connections 16 }}connections.maxConnections to {{ $connections }} or less{{ else }}lower all of them{{ end }}.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The bytes of a quantity of Kubernetes, such as 256Mi. Nothing where it is none that a memory limit has. */}}
{{- define "practice.bytes" -}}
{{- $text := include "practice.text" . -}}
{{- $number := regexFind "^[0-9]*([.][0-9]+)?" $text -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- with index $units (trimPrefix $number $text) -}}
{{- if $number }}{{ mulf (float64 $number) . | int64 }}{{ end -}}
{{- end -}}
{{- end -}}
