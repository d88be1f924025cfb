{{/*
The store, and what services must know of it. All templates here take the top-level scope.
*/}}

{{/* The Secret with its password. Empty: a store outside of the release that asks for none. */}}
{{- define "practice.storeSecret" -}}
{{- with .Values.store -}}
{{- if .password.existingSecret -}}
{{- .password.existingSecret -}}
{{- else if .enabled -}}
{{- include "practice.name" (dict "root" $ "name" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "practice.storeUrl" -}}
{{- with .Values.store -}}
{{- if .enabled -}}
redis://{{ include "practice.serviceName" (dict "root" $ "name" .name) }}:{{ int .port }}/0
{{- else -}}
{{- .url -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The password of before, in base64, or a new one where there is none: an upgrade must not lock the services out. */}}
{{- define "practice.storePassword" -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace (include "practice.storeSecret" .) | default dict -}}
{{- dig "data" .Values.store.password.key "" $secret | default (randAlphaNum 32 | b64enc) -}}
{{- end -}}

{{- define "practice.storeImage" -}}
{{- include "practice.imageReference" (dict "root" . "repository" .Values.store.image.repository "tag" .Values.store.image.tag) -}}
{{- end -}}

{{/* What of the store, and of the services that take from it, does not fit together. */}}
{{- define "practice.brokenStore" -}}
{{- $store := .Values.store -}}
{{- if and $store.enabled (hasKey .services $store.name) }}
store.name: {{ $store.name }} is a service too, and two objects would have one name. Choose another.
{{- end -}}
{{- if and $store.enabled $store.url }}
store.url: {{ $store.url }} is a store outside of this release, and store.enabled makes one inside. Choose one of them.
{{- end -}}
{{- range $name, $service := .services -}}
{{- $own := index $.Values.services $name -}}
{{- range $knob := list "useStore" "role" "voteOptions" -}}
{{- if and (ne $service.kind "systems") (not (has (index $own $knob) (list nil false "" "api" list))) }}
services.{{ $name }}.{{ $knob }}: votes and jobs are the program systems, and this is a {{ $service.kind }}. Set services.{{ $name }}.kind to systems.
{{- end -}}
{{- end -}}
{{- if eq .kind "systems" -}}
{{- if and .useStore (not $store.enabled) (not $store.url) }}
services.{{ $name }}.useStore: there is no store. Set store.enabled to true, or give store.url.
{{- end -}}
{{- if and (not .answers) (not .useStore) }}
services.{{ $name }}.role: a worker takes its jobs from the store. Set services.{{ $name }}.useStore to true.
{{- end -}}
{{- if and (not .answers) (ne .service.type "ClusterIP") }}
services.{{ $name }}.service.type: a worker takes no requests, from outside even less. Leave it ClusterIP.
{{- end -}}
{{- if and (not .answers) .service.nodePortBeside.enabled }}
services.{{ $name }}.service.nodePortBeside: a worker takes no requests. Set enabled to false.
{{- end -}}
{{- if and .voteOptions (not .useStore) }}
services.{{ $name }}.voteOptions: votes are kept in the store. Set services.{{ $name }}.useStore to true.
{{- end -}}
{{- if eq (len .voteOptions) 1 }}
services.{{ $name }}.voteOptions: {{ first .voteOptions }} alone is no choice. Give two or more, or none.
{{- end -}}
{{- else if eq .kind "backend" -}}
{{- $ids := list -}}
{{- range .data.items }}{{ $ids = append $ids (toJson .id) }}{{ end -}}
{{- if ne (len $ids) (len (uniq $ids)) }}
services.{{ $name }}.data.items: two items have the same id, and a path leads to one. Number them anew.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
