{{/*
Ways to services: from outside, from a gateway to its upstreams, from the load.
*/}}

{{/* Takes root and name: the address at which pods of the same namespace reach a service. */}}
{{- define "practice.url" -}}
{{- include "practice.resolve" .root -}}
http://{{ include "practice.serviceName" . }}:{{ int (index .root.services .name).service.port }}
{{- end -}}

{{/* Takes root and upstream (service, url and headless of one). */}}
{{- define "practice.upstreamUrl" -}}
{{- $to := dict "root" .root "name" .upstream.service -}}
{{- if .upstream.url -}}
{{- .upstream.url -}}
{{- else if .upstream.headless -}}
http://{{ include "practice.headlessName" $to }}:{{ int (index .root.services $to.name).service.targetPort }}
{{- else -}}
{{- include "practice.url" $to -}}
{{- end -}}
{{- end -}}

{{/* Takes a service, and gives it upstreams. */}}
{{- define "practice.setUpstreams" -}}
{{- $upstreams := dict -}}
{{- if and (eq .kind "frontend") .routeTable.routes -}}
{{- range $name, $upstream := .routeTable.upstreams -}}
{{- if not (kindIs "invalid" $upstream) -}}
{{- $_ := set $upstreams (print "routeTable.upstreams." $name) (merge (dict) $upstream (pick $.upstream "tryTimeoutSeconds" "timeoutSeconds" "idleSeconds")) -}}
{{- end -}}
{{- end -}}
{{- else if eq .kind "frontend" -}}
{{- $_ := set $upstreams "upstream" .upstream -}}
{{- end -}}
{{- $_ := set . "upstreams" $upstreams -}}
{{- end -}}

{{/* Takes a service: the route table as the gateway reads it. */}}
{{- define "practice.routeTable" -}}
{{- $upstreams := dict -}}
{{- range $name, $upstream := .routeTable.upstreams -}}
{{- if not (kindIs "invalid" $upstream) -}}
{{- $url := include "practice.upstreamUrl" (dict "root" $.root "upstream" $upstream) -}}
{{- $_ := set $upstreams $name (merge (dict "url" $url) (omit $upstream "service" "url" "headless")) -}}
{{- end -}}
{{- end -}}
{{- dict "upstreams" $upstreams "routes" .routeTable.routes | toPrettyJson -}}
{{- end -}}

{{/* Takes the top-level scope, and works out what its hosts have of templates. */}}
{{- define "practice.setHosts" -}}
{{- range $values, $knob := dict "ingress" "hosts" "httpRoute" "hostnames" -}}
{{- $hosts := list -}}
{{- range index $.Values $values $knob }}{{ $hosts = append $hosts (contains "{{" . | ternary (tpl . $) .) }}{{ end -}}
{{- $_ := set (index $.Values $values) $knob $hosts -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope: ways that lead nowhere. */}}
{{- define "practice.brokenRoutes" -}}
{{- $services := .services -}}
{{- $names := keys $services | sortAlpha | join ", " | default "none" -}}
{{- range $from := list "ingress" "httpRoute" -}}
{{- with index $.Values $from -}}
{{- range ternary .paths list .enabled -}}
{{- $path := .path -}}
{{- range .split | default (list .) -}}
{{- if not (hasKey $services .service) }}
{{ $from }}.paths: {{ $path }} leads to the service {{ .service | quote }}, and there are: {{ $names }}. Correct the name, or take the path away.
{{- else if not (index $services .service).answers }}
{{ $from }}.paths: {{ $path }} leads to {{ .service }}, a worker, which takes no requests. Name another service, or take the path away.
{{- else if and .nodePortBeside (not (index $services .service).service.nodePortBeside.enabled) }}
{{ $from }}.paths: {{ $path }} leads to the second Service of {{ .service }}, which has none. Set services.{{ .service }}.service.nodePortBeside.enabled.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.load -}}
{{- if and .enabled (not (hasKey $services .service)) }}
load.service: there is no service {{ .service | quote }}, and there are: {{ $names }}. Correct the name.
{{- else if and .enabled (not (index $services .service).answers) }}
load.service: {{ .service }} is a worker, which takes no requests. Name another service.
{{- end -}}
{{- end -}}
{{- include "practice.brokenHosts" . -}}
{{- include "practice.brokenCertificate" . -}}
{{- with .Values.httpRoute -}}
{{- if and .enabled (not .parentRefs) }}
httpRoute.parentRefs: a route that names no Gateway is taken by none. Name one, as in [{name: gateway, namespace: gateways}].
{{- end -}}
{{- range ternary .paths list .enabled -}}
{{- $path := .path -}}
{{- $once := list -}}
{{- range .filters -}}
{{- $block := index (dict "CORS" "cors" "URLRewrite" "urlRewrite") .type | default (print (substr 0 1 .type | lower) (substr 1 -1 .type)) -}}
{{- if not (index . $block) }}
httpRoute.paths: {{ $path }} has a filter of the type {{ .type }} without {{ $block }}, which says what it does. Give it one.
{{- end -}}
{{- if has .type $once }}
httpRoute.paths: {{ $path }} has two filters of the type {{ .type }}, and the Gateway API takes one. Make them one.
{{- end -}}
{{- if not (has .type (list "RequestMirror" "ExtensionRef")) }}{{ $once = append $once .type }}{{ end -}}
{{- end -}}
{{- $weights := 0 -}}
{{- range .split }}{{ $weights = add $weights (int64 .weight) }}{{ end -}}
{{- if and .split (eq (int64 $weights) 0) }}
httpRoute.paths: {{ $path }} is split with weights of 0 alone, so nobody answers. Give one a weight.
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $service := $services -}}
{{- range $knob, $upstream := .upstreams -}}
{{- $knob = print "services." $name "." $knob -}}
{{- $to := .service | default "" -}}
{{- if .url -}}
{{- else if not (hasKey $services $to) }}
{{ $knob }}.service: there is no service {{ $to | quote }}, and there are: {{ $names }}. Correct the name, or give a url.
{{- else if not (index $services $to).answers }}
{{ $knob }}.service: {{ $to }} is a worker, which takes no requests. Name another service, or give a url.
{{- else if eq $name $to }}
{{ $knob }}.service: {{ $name }} would send every request to itself. Name another service, or give a url.
{{- else if and .headless (not (index $services $to).service.headless) }}
{{ $knob }}.headless: {{ $to }} has no headless Service. Set services.{{ $to }}.service.headless to true.
{{- end -}}
{{- end -}}
{{- $table := .routeTable -}}
{{- range $route := $table.routes -}}
{{- $used := compact (list .upstream) -}}
{{- range concat (.split | default list) (.pins | default list) (.aggregate | default dict | values) }}{{ $used = append $used .upstream }}{{ end -}}
{{- if not (or .upstream .split .aggregate) }}
services.{{ $name }}.routeTable.routes: {{ .path }} leads nowhere. Give it upstream, split or aggregate.
{{- end -}}
{{- range $used -}}
{{- if not (hasKey $table.upstreams .) }}
services.{{ $name }}.routeTable.routes: {{ $route.path }} leads to the upstream {{ . | quote }}, and there are: {{ keys $table.upstreams | sortAlpha | join ", " }}. Correct the name, or add it to routeTable.upstreams.
{{- end -}}
{{- end -}}
{{- if and .auth (not $table.credentials) }}
services.{{ $name }}.routeTable.credentials: {{ .path }} asks for credentials, and no Secret has them. Name one.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope: hosts and paths that the API server refuses, and paths of which the controller would choose one. */}}
{{- define "practice.brokenHosts" -}}
{{- $label := "[a-z0-9]([-a-z0-9]*[a-z0-9])?" -}}
{{- range $from, $knob := dict "ingress" "hosts" "httpRoute" "hostnames" -}}
{{- with index $.Values $from -}}
{{- if .enabled -}}
{{- $hosts := list -}}
{{- range index . $knob }}{{ $hosts = append $hosts (list $knob .) }}{{ end -}}
{{- range .tls }}{{ range .hosts }}{{ $hosts = append $hosts (list "tls" .) }}{{ end }}{{ end -}}
{{- range .paths }}{{ with .host }}{{ $hosts = append $hosts (list "paths" .) }}{{ end }}{{ end -}}
{{- range $hosts -}}
{{- $host := last . -}}
{{- if or (gt (len $host) 253) (regexMatch "^[0-9.]+$" $host) (not (regexMatch (printf "^([*][.])?%s([.]%s)*$" $label $label) $host)) }}
{{ $from }}.{{ first . }}: {{ $host | quote }} is no host name. Give one such as shop.example or *.example, in small letters, without scheme, port and path.
{{- end -}}
{{- end -}}
{{- $seen := dict -}}
{{- range .paths -}}
{{- if and (ne .pathType "ImplementationSpecific") (regexMatch "//|/[.][.]?(/|$)|%2[fF]" .path) }}
{{ $from }}.paths: {{ .path | quote }} has an empty segment, a dot segment or %2f, and the cluster takes no such path. Take that out.
{{- end -}}
{{- $key := list (.host | default "") .pathType (hasSuffix "Prefix" .pathType | ternary (trimSuffix "/" .path) .path) | join " " -}}
{{- if hasKey $seen $key }}
{{ $from }}.paths: {{ .path }} is there twice, and one of the two would get nothing. Leave one{{ if eq $from "httpRoute" }}: split shares a path{{ end }}.
{{- end -}}
{{- $_ := set $seen $key true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
