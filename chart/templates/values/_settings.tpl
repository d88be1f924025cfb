{{/*
What a binary is told: environment and files. Templates here take a service.
*/}}

{{/*
Gives it knobs: by variable, the knob whose value it has, whether that is set or not. In groups of knobs, the variable is the knob's name,
as such names are written, behind what the group has: upstream.idleSeconds is UPSTREAM_IDLE_SECONDS.
*/}}
{{- define "practice.setKnobs" -}}
{{- $knobs := dict
  "PORT" "service.targetPort"
  "METRICS_PORT" "service.metricsPort"
  "DRAIN_SECONDS" "lifecycle.drainSeconds"
  "LONGEST_REQUEST_SECONDS" "lifecycle.longestRequestSeconds" -}}
{{- $groups := dict "connections" "" "requests" "" "logs" "LOG_" "faults" "FAULT_" -}}
{{- $others := list "faults.readyNeedsUpstream" -}}
{{- $ofBackends := list "faults.healthBehindBurn" "faults.onRequest" -}}
{{- if eq .kind "backend" -}}
{{- $_ := set $groups "burn" "BURN_" -}}
{{- $_ := set $knobs "RESOURCE" "data.resource" -}}
{{- else if eq .kind "systems" -}}
{{- $others = concat $others $ofBackends -}}
{{- $_ := set $knobs "ROLE" "role" -}}
{{- else if eq .kind "observer" -}}
{{- $others = concat $others $ofBackends -}}
{{- $_ := set $knobs "OBSERVE_NODES" "observeNodes" -}}
{{- else -}}
{{- $_ := set $groups "upstream" "UPSTREAM_" -}}
{{- $others = concat $ofBackends (list "upstream.service" "upstream.url" "upstream.headless") -}}
{{- $_ := set $knobs "RATE_LIMIT_TIMEOUT_MS" "rateLimitTimeoutMs" -}}
{{- $_ := set $knobs "MAX_TUNNELS" "tunnels.max" -}}
{{- $_ := set $knobs "TUNNEL_IDLE_SECONDS" "tunnels.idleSeconds" -}}
{{- $_ := set $knobs "TUNNEL_SECONDS" "tunnels.maxSeconds" -}}
{{- end -}}
{{- /* Helm drops knobs that are null. */ -}}
{{- $nulls := dict "faults" (list "startSeconds" "crashAfterSeconds" "memoryMiBPerSecond") -}}
{{- range $group, $before := $groups -}}
{{- range concat (keys (index $ $group)) (index $nulls $group | default list) -}}
{{- $knob := print $group "." . -}}
{{- if not (has $knob $others) }}{{ $_ := set $knobs (print $before (replace "MiB" "Mib" . | snakecase | upper)) $knob }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $_ := set . "knobs" $knobs -}}
{{- end -}}

{{/* Takes the top-level scope: variables of the user's that would go round a knob, and what was checked of it. */}}
{{- define "practice.brokenSettings" -}}
{{- range $name, $service := .services -}}
{{- $taken := dict "SERVICE_NAME" "its key in services" -}}
{{- range list "POD_NAME" "POD_NAMESPACE" "POD_IP" "NODE_NAME" }}{{ $_ := set $taken . "the pod itself" }}{{ end -}}
{{- if eq .kind "backend" -}}
{{- $taken = merge $taken (dict "DELAY_MAX_MS" "lifecycle.longestRequestSeconds" "GREETING" "data.greeting" "RESOURCE_FILE" "data.items") -}}
{{- else if eq .kind "systems" -}}
{{- $taken = merge $taken (dict "VOTE_OPTIONS" "voteOptions" "RESOURCE_FILE" "data.items") -}}
{{- range list "STORE" "DATABASE" -}}
{{- range list (print . "_URL") (print . "_PASSWORD") (print . "_PASSWORD_FILE") }}{{ $_ := set $taken . "stores" }}{{ end -}}
{{- end -}}
{{- else if eq .kind "frontend" -}}
{{- $taken = merge $taken (dict "DOCS" "docs" "TRUSTED_PROXIES" "trustedProxies" "ROUTES_FILE" "routeTable.routes" "BACKEND_URL" "upstream" "CREDENTIALS_DIR" "routeTable.credentials" "OBSERVER_URL" "observerUrl") -}}
{{- range list "STORE_URL" "STORE_PASSWORD" "STORE_PASSWORD_FILE" }}{{ $_ := set $taken . "stores" }}{{ end -}}
{{- end -}}
{{- $taken = merge $taken .knobs -}}
{{- range $variable, $_ := .env -}}
{{- with index $taken $variable }}
services.{{ $name }}.env: {{ $variable }} is what {{ . }} makes, and what is checked of that would not hold. Take it out of env, and set {{ . }}.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Gives it settings, and the volumes and mounts of the files that they name. null and false are what a fault is without. */}}
{{- define "practice.setSettings" -}}
{{- $settings := dict "SERVICE_NAME" .name -}}
{{- $_ := set . "settings" $settings -}}
{{- range $variable, $knob := .knobs -}}
{{- $value := $ -}}
{{- range splitList "." $knob }}{{ $value = index $value . }}{{ end -}}
{{- if not (has $value (list nil false)) }}{{ $_ := set $settings $variable $value }}{{ end -}}
{{- end -}}
{{- if and .data.items (has .kind (list "backend" "systems")) -}}
{{- $_ := set $settings "RESOURCE_FILE" "/etc/practice/data/items.json" -}}
{{- include "practice.mount" (dict "service" . "at" "data" "volume" (dict "name" "data" "configMap" (dict "name" (include "practice.name" (dict "root" .root "name" (print .name "-data")))))) -}}
{{- end -}}
{{- if eq .kind "backend" -}}
{{- $_ := set $settings "DELAY_MAX_MS" (mulf .lifecycle.longestRequestSeconds 1000 | min 600000 | int) -}}
{{- with .data.greeting }}{{ $_ := set $settings "GREETING" . }}{{ end -}}
{{- else if eq .kind "systems" -}}
{{- with .voteOptions }}{{ $_ := set $settings "VOTE_OPTIONS" (join "," .) }}{{ end -}}
{{- else if eq .kind "frontend" -}}
{{- if .docs }}{{ $_ := set $settings "DOCS" true }}{{ end -}}
{{- with .trustedProxies }}{{ $_ := set $settings "TRUSTED_PROXIES" (join "," .) }}{{ end -}}
{{- if .routeTable.routes -}}
{{- $_ := set $settings "ROUTES_FILE" "/etc/practice/routes/routes.json" -}}
{{- include "practice.mount" (dict "service" . "at" "routes" "volume" (dict "name" "routes" "configMap" (dict "name" (include "practice.name" (dict "root" .root "name" (print .name "-routes")))))) -}}
{{- else -}}
{{- $_ := set $settings "BACKEND_URL" (include "practice.upstreamUrl" (dict "root" .root "upstream" .upstream)) -}}
{{- with .observerUrl }}{{ $_ := set $settings "OBSERVER_URL" . }}{{ end -}}
{{- end -}}
{{- with .routeTable.credentials -}}
{{- $_ := set $settings "CREDENTIALS_DIR" "/etc/practice/credentials" -}}
{{- include "practice.mount" (dict "service" $ "at" "credentials" "volume" (dict "name" "credentials" "secret" (dict "secretName" .))) -}}
{{- end -}}
{{- end -}}
{{- include "practice.setStoreSettings" . -}}
{{- range $variable, $value := .env -}}
{{- if kindIs "map" $value -}}
{{- $_ := unset $settings $variable -}}
{{- else -}}
{{- $_ := set $settings $variable (and (kindIs "string" $value) (contains "{{" (toString $value)) | ternary (tpl (toString $value) $.root) $value) -}}
{{- end -}}
{{- end -}}
{{- range $variable, $value := $settings }}{{ $_ := set $settings $variable (include "practice.text" $value) }}{{ end -}}
{{- end -}}

{{/*
Takes service, volume and at (a folder). Whole volumes, not single files of them: those the kubelet would not bring up to date in a
running pod.
*/}}
{{- define "practice.mount" -}}
{{- $own := .volume.name -}}
{{- range .service.volumes -}}
{{- if eq .name $own }}{{ include "practice.refuse" (printf "services.%s.volumes: %s is a volume of the chart's own. Rename yours." $.service.name $own) }}{{ end -}}
{{- end -}}
{{- $mount := dict "name" .volume.name "mountPath" (print "/etc/practice/" .at) "readOnly" true -}}
{{- range .service.volumeMounts -}}
{{- if hasPrefix (print $mount.mountPath "/") (print (clean (print "/" .mountPath)) "/") }}{{ include "practice.refuse" (printf "services.%s.volumeMounts: %s is in %s, where the chart mounts what it gives the program. Mount it elsewhere." $.service.name .mountPath $mount.mountPath) }}{{ end -}}
{{- end -}}
{{- $_ := set .service "volumes" (append .service.volumes .volume) -}}
{{- $_ := set .service "volumeMounts" (append .service.volumeMounts $mount) -}}
{{- end -}}

{{/* The settings as the data of a ConfigMap. */}}
{{- define "practice.settings" -}}
{{- range $variable, $value := .settings }}
{{ $variable }}: {{ $value | quote }}
{{- end -}}
{{- end -}}
