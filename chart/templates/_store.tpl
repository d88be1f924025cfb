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
