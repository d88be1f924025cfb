{{/*
From .Values.defaults and .Values.services to the services that the templates range over.
*/}}

{{/*
The services by name, each with all its knobs, as YAML. Every template gets them here and nowhere else, so that none is
rendered from values that a guard refuses.
*/}}
{{- define "practice.services" -}}
{{- $services := dict -}}
{{- range $name, $own := .Values.services -}}
{{- if not (kindIs "invalid" $own) -}}
{{- $service := deepCopy $.Values.defaults -}}
{{- include "practice.merge" (dict "into" $service "from" $own) -}}
{{- $_ := set $services $name $service -}}
{{- end -}}
{{- end -}}
{{- include "practice.guard" (dict "root" . "services" $services) -}}
{{- toYaml $services -}}
{{- end -}}

{{/*
Merges the map `from` into the map `into`: maps key by key, everything else replaced, null removed. Sprig's merge and
mergeOverwrite are not used because they take an explicit 0 or false for a missing value.
*/}}
{{- define "practice.merge" -}}
{{- range $key, $value := .from -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $.into $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (index $.into $key)) -}}
{{- include "practice.merge" (dict "into" (index $.into $key) "from" $value) -}}
{{- else if kindIs "map" $value -}}
{{- $_ := set $.into $key (deepCopy $value) -}}
{{- else -}}
{{- $_ := set $.into $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Takes root, name and service: the binary's environment as a map of strings, less the pod's own data (downward API).
Numbers go through toJson because a template prints 1000000 as 1e+06.
*/}}
{{- define "practice.settings" -}}
{{- $service := .service -}}
{{- $settings := dict
  "SERVICE_NAME" .name
  "PORT" $service.service.targetPort
  "METRICS_PORT" $service.service.metricsPort
  "DRAIN_SECONDS" $service.lifecycle.drainSeconds
  "LONGEST_REQUEST_SECONDS" $service.lifecycle.longestRequestSeconds
  "IDLE_TIMEOUT_SECONDS" $service.connections.idleTimeoutSeconds
  "MAX_CONNECTION_AGE_SECONDS" $service.connections.maxConnectionAgeSeconds
  "MAX_CONNECTIONS" $service.connections.maxConnections
  "HEAD_TIMEOUT_SECONDS" $service.connections.headTimeoutSeconds
  "BODY_TIMEOUT_SECONDS" $service.connections.bodyTimeoutSeconds
  "REPLY_TIMEOUT_SECONDS" $service.connections.replyTimeoutSeconds
  "MIN_BYTES_PER_SECOND" $service.connections.minBytesPerSecond
  "MAX_IN_FLIGHT" $service.requests.maxInFlight
  "MAX_TARGET_BYTES" $service.requests.maxTargetBytes
  "MAX_HEAD_BYTES" $service.requests.maxHeadBytes
  "MAX_HEADERS" $service.requests.maxHeaders
  "MAX_BODY_BYTES" $service.requests.maxBodyBytes
  "MAX_HELD_BODY_BYTES" $service.requests.maxHeldBodyBytes
  "LOG_FORMAT" $service.logs.format
  "LOG_LEVEL" $service.logs.level -}}
{{- if eq $service.kind "backend" -}}
{{- $settings = merge $settings (dict
  "ROLE" $service.role
  "RESOURCE" $service.data.resource
  "BURN_SLOTS" $service.burn.slots
  "BURN_DEFAULT_MS" $service.burn.defaultMs
  "BURN_MAX_MS" $service.burn.maxMs
  "DELAY_MAX_MS" (mulf $service.lifecycle.longestRequestSeconds 1000 | min 600000 | int)) -}}
{{- if $service.data.items -}}
{{- $_ := set $settings "RESOURCE_FILE" "/etc/practice/data/items.json" -}}
{{- end -}}
{{- with $service.voteOptions -}}
{{- $_ := set $settings "VOTE_OPTIONS" (join "," .) -}}
{{- end -}}
{{- if $service.useStore -}}
{{- $_ := set $settings "STORE_URL" (include "practice.storeUrl" .root) -}}
{{- if eq (include "practice.storePasswordAs" .) "file" -}}
{{- $_ := set $settings "STORE_PASSWORD_FILE" (print "/etc/practice/store/" .root.Values.store.password.key) -}}
{{- end -}}
{{- end -}}
{{- else if eq $service.kind "frontend" -}}
{{- if $service.routeTable.routes -}}
{{- $_ := set $settings "ROUTES_FILE" "/etc/practice/routes/routes.json" -}}
{{- else -}}
{{- $_ := set $settings "BACKEND_URL" (include "practice.upstreamUrl" (dict "root" .root "upstream" $service.upstream)) -}}
{{- end -}}
{{- if $service.routeTable.credentials -}}
{{- $_ := set $settings "CREDENTIALS_DIR" "/etc/practice/credentials" -}}
{{- end -}}
{{- with $service.trustedProxies -}}
{{- $_ := set $settings "TRUSTED_PROXIES" (join "," .) -}}
{{- end -}}
{{- $settings = merge $settings (dict
  "MAX_TUNNELS" $service.tunnels.max
  "TUNNEL_IDLE_SECONDS" $service.tunnels.idleSeconds
  "TUNNEL_SECONDS" $service.tunnels.maxSeconds
  "UPSTREAM_CONNECT_TIMEOUT_SECONDS" $service.upstream.connectTimeoutSeconds
  "UPSTREAM_TRY_TIMEOUT_SECONDS" $service.upstream.tryTimeoutSeconds
  "UPSTREAM_TIMEOUT_SECONDS" $service.upstream.timeoutSeconds
  "UPSTREAM_IDLE_SECONDS" $service.upstream.idleSeconds
  "UPSTREAM_MAX_AGE_SECONDS" $service.upstream.maxAgeSeconds
  "UPSTREAM_RETRIES" $service.upstream.retries
  "UPSTREAM_RETRY_BUDGET_PERCENT" $service.upstream.retryBudgetPercent
  "UPSTREAM_BREAKER_FAILURES" $service.upstream.breakerFailures
  "UPSTREAM_BREAKER_OPEN_SECONDS" $service.upstream.breakerOpenSeconds) -}}
{{- end -}}
{{- $settings = merge $settings (include "practice.faults" $service | fromYaml) -}}
{{- range $variable, $value := $service.env -}}
{{- if kindIs "map" $value -}}
{{- $_ := unset $settings $variable -}}
{{- else -}}
{{- $_ := set $settings $variable $value -}}
{{- end -}}
{{- end -}}
{{- range $variable, $value := $settings }}
{{ $variable }}: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end -}}
{{- end -}}

{{/* Takes root and service: how it gets the store's password: file, env, or not at all (empty). */}}
{{- define "practice.storePasswordAs" -}}
{{- if and (eq .service.kind "backend") .service.useStore (include "practice.storeSecret" .root) -}}
{{- .root.Values.store.password.passAs -}}
{{- end -}}
{{- end -}}

{{/* Takes a service: the variables of the faults that are on, and of none else. */}}
{{- define "practice.faults" -}}
{{- $variables := dict
  "startSeconds" "FAULT_START_SECONDS"
  "neverReady" "FAULT_NEVER_READY"
  "crashAfterSeconds" "FAULT_CRASH_AFTER_SECONDS"
  "noCloseNotice" "FAULT_NO_CLOSE_NOTICE"
  "ignoreTerm" "FAULT_IGNORE_TERM"
  "memoryMiBPerSecond" "FAULT_MEMORY_MIB_PER_SECOND" -}}
{{- if eq .kind "backend" -}}
{{- $_ := set $variables "healthBehindBurn" "FAULT_HEALTH_BEHIND_BURN" -}}
{{- else -}}
{{- $_ := set $variables "readyNeedsUpstream" "FAULT_READY_NEEDS_UPSTREAM" -}}
{{- end -}}
{{- range $fault, $variable := $variables -}}
{{- $value := index $.faults $fault -}}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "false")) }}
{{ $variable }}: {{ toJson $value }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes root and upstream (service, url and headless of one). */}}
{{- define "practice.upstreamUrl" -}}
{{- $name := .upstream.service -}}
{{- if .upstream.url -}}
{{- .upstream.url -}}
{{- else if .upstream.headless -}}
{{- $upstream := index (include "practice.services" .root | fromYaml) $name -}}
http://{{ include "practice.headlessName" (dict "root" .root "name" $name) }}:{{ int $upstream.service.targetPort }}
{{- else -}}
{{- include "practice.url" (dict "root" .root "name" $name) -}}
{{- end -}}
{{- end -}}

{{/* Takes a service: where it sends requests, by the knob that says so, as YAML. Nowhere unless it is a gateway. */}}
{{- define "practice.upstreams" -}}
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
{{- toYaml $upstreams -}}
{{- end -}}

{{/* Takes root and service: the route table as the gateway reads it. */}}
{{- define "practice.routeTable" -}}
{{- $upstreams := dict -}}
{{- range $name, $upstream := .service.routeTable.upstreams -}}
{{- if not (kindIs "invalid" $upstream) -}}
{{- $url := include "practice.upstreamUrl" (dict "root" $.root "upstream" $upstream) -}}
{{- $_ := set $upstreams $name (merge (dict "url" $url) (omit $upstream "service" "url" "headless")) -}}
{{- end -}}
{{- end -}}
{{- dict "upstreams" $upstreams "routes" .service.routeTable.routes | toPrettyJson -}}
{{- end -}}

{{/* Takes a service: the pods that are always wanted. */}}
{{- define "practice.pods" -}}
{{- ternary .autoscaling.minReplicas .replicas .autoscaling.enabled | int -}}
{{- end -}}

{{/* Takes value (a count or a percentage), pods and round (ceil or floor): how many pods that is. */}}
{{- define "practice.count" -}}
{{- $value := toString .value -}}
{{- if hasSuffix "%" $value -}}
{{- $share := mulf (trimSuffix "%" $value | float64) .pods -}}
{{- ternary (ceil (divf $share 100)) (floor (divf $share 100)) (eq .round "ceil") | int -}}
{{- else -}}
{{- int $value -}}
{{- end -}}
{{- end -}}

{{/* Takes a service: the most seconds its startup probe waits before it gives up on a container. */}}
{{- define "practice.startupSeconds" -}}
{{- $probe := .probes.startup -}}
{{- if $probe.enabled -}}
{{- add (int $probe.initialDelaySeconds) (mul (int $probe.periodSeconds) (int $probe.failureThreshold)) -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{/*
Takes a service: the most seconds from a container's start until a pod that does start is ready. The readiness probe's
initial delay counts from the container's start, not from the startup probe's success.
*/}}
{{- define "practice.readySeconds" -}}
{{- $startup := include "practice.startupSeconds" . | int -}}
{{- $probe := .probes.readiness -}}
{{- if $probe.enabled -}}
{{- add (max $startup (int $probe.initialDelaySeconds))
  (mul (int $probe.periodSeconds) (int $probe.successThreshold)) (int $probe.timeoutSeconds) -}}
{{- else -}}
{{- $startup -}}
{{- end -}}
{{- end -}}

{{/* Takes a service: the most seconds from the decision to stop a pod to its exit, and 2 to spare. */}}
{{- define "practice.shutdownSeconds" -}}
{{- addf .lifecycle.preStopSeconds .lifecycle.drainSeconds .lifecycle.longestRequestSeconds 2 -}}
{{- end -}}

{{/* Takes a CPU quantity ("100m", "0.5", 2): thousandths of a core. */}}
{{- define "practice.millicores" -}}
{{- $quantity := toString . -}}
{{- if hasSuffix "m" $quantity -}}
{{- trimSuffix "m" $quantity | int -}}
{{- else -}}
{{- mulf (float64 $quantity) 1000 | int -}}
{{- end -}}
{{- end -}}

{{/*
Takes the knobs of a Service: which IP families it has, for all Services of a service alike. Empty: what the cluster has.
*/}}
{{- define "practice.ipFamilies" -}}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
