{{/*
What a binary is told: environment and files. Templates here take a service.
*/}}

{{/*
Gives it settings, and the volumes and mounts of the files that they name. In groups of knobs, the variable is the knob's name, as such
names are written, behind what the group has: upstream.idleSeconds is UPSTREAM_IDLE_SECONDS. null and false are what a fault is without.
*/}}
{{- define "practice.setSettings" -}}
{{- $settings := dict
  "SERVICE_NAME" .name
  "PORT" .service.targetPort
  "METRICS_PORT" .service.metricsPort
  "DRAIN_SECONDS" .lifecycle.drainSeconds
  "LONGEST_REQUEST_SECONDS" .lifecycle.longestRequestSeconds -}}
{{- $groups := list (list "" .connections) (list "" .requests) (list "LOG_" .logs) -}}
{{- if eq .kind "backend" -}}
{{- $groups = concat $groups (list (list "BURN_" .burn) (list "FAULT_" (omit .faults "readyNeedsUpstream"))) -}}
{{- $_ := set $settings "ROLE" .role -}}
{{- $_ := set $settings "RESOURCE" .data.resource -}}
{{- $_ := set $settings "DELAY_MAX_MS" (mulf .lifecycle.longestRequestSeconds 1000 | min 600000 | int) -}}
{{- with .voteOptions }}{{ $_ := set $settings "VOTE_OPTIONS" (join "," .) }}{{ end -}}
{{- if .data.items -}}
{{- $_ := set $settings "RESOURCE_FILE" "/etc/practice/data/items.json" -}}
{{- include "practice.mount" (dict "service" . "at" "data" "volume" (dict "name" "data" "configMap" (dict "name" (include "practice.name" (dict "root" .root "name" (print .name "-data")))))) -}}
{{- end -}}
{{- if .useStore }}{{ $_ := set $settings "STORE_URL" (include "practice.storeUrl" .root) }}{{ end -}}
{{- if eq (include "practice.storePasswordAs" .) "file" -}}
{{- $key := .root.Values.store.password.key -}}
{{- $_ := set $settings "STORE_PASSWORD_FILE" (print "/etc/practice/store/" $key) -}}
{{- $secret := dict "secretName" (include "practice.storeSecret" .root) "items" (list (dict "key" $key "path" $key)) -}}
{{- include "practice.mount" (dict "service" . "at" "store" "volume" (dict "name" "store-password" "secret" $secret)) -}}
{{- end -}}
{{- else -}}
{{- $groups = concat $groups (list (list "UPSTREAM_" (omit .upstream "service" "url" "headless")) (list "FAULT_" (omit .faults "healthBehindBurn"))) -}}
{{- $_ := set $settings "MAX_TUNNELS" .tunnels.max -}}
{{- $_ := set $settings "TUNNEL_IDLE_SECONDS" .tunnels.idleSeconds -}}
{{- $_ := set $settings "TUNNEL_SECONDS" .tunnels.maxSeconds -}}
{{- with .trustedProxies }}{{ $_ := set $settings "TRUSTED_PROXIES" (join "," .) }}{{ end -}}
{{- if .routeTable.routes -}}
{{- $_ := set $settings "ROUTES_FILE" "/etc/practice/routes/routes.json" -}}
{{- include "practice.mount" (dict "service" . "at" "routes" "volume" (dict "name" "routes" "configMap" (dict "name" (include "practice.name" (dict "root" .root "name" (print .name "-routes")))))) -}}
{{- else -}}
{{- $_ := set $settings "BACKEND_URL" (include "practice.upstreamUrl" (dict "root" .root "upstream" .upstream)) -}}
{{- end -}}
{{- with .routeTable.credentials -}}
{{- $_ := set $settings "CREDENTIALS_DIR" "/etc/practice/credentials" -}}
{{- include "practice.mount" (dict "service" $ "at" "credentials" "volume" (dict "name" "credentials" "secret" (dict "secretName" .))) -}}
{{- end -}}
{{- end -}}
{{- range $group := $groups -}}
{{- range $knob, $value := last . -}}
{{- if not (has $value (list nil false)) -}}
{{- $_ := set $settings (print (first $group) ($knob | replace "MiB" "Mib" | snakecase | upper)) $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $variable, $value := .env -}}
{{- if kindIs "map" $value }}{{ $_ := unset $settings $variable }}{{ else }}{{ $_ := set $settings $variable $value }}{{ end -}}
{{- end -}}
{{- range $variable, $value := $settings }}{{ $_ := set $settings $variable (include "practice.text" $value) }}{{ end -}}
{{- $_ := set . "settings" $settings -}}
{{- end -}}

{{/*
Takes service, volume and at (a folder). Whole volumes, not single files of them: those the kubelet would not bring up to date in a
running pod.
*/}}
{{- define "practice.mount" -}}
{{- $mount := dict "name" .volume.name "mountPath" (print "/etc/practice/" .at) "readOnly" true -}}
{{- $_ := set .service "volumes" (append .service.volumes .volume) -}}
{{- $_ := set .service "volumeMounts" (append .service.volumeMounts $mount) -}}
{{- end -}}

{{/* The settings as the data of a ConfigMap. */}}
{{- define "practice.settings" -}}
{{- range $variable, $value := .settings }}
{{ $variable }}: {{ $value | quote }}
{{- end -}}
{{- end -}}

{{/* How it gets the store's password: file, env, or not at all (empty). */}}
{{- define "practice.storePasswordAs" -}}
{{- if and (eq .kind "backend") .useStore (include "practice.storeSecret" .root) -}}
{{- .root.Values.store.password.passAs -}}
{{- end -}}
{{- end -}}
