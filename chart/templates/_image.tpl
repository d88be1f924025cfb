{{/*
Images, and the pods of the client's.
*/}}

{{/* Takes a service. */}}
{{- define "practice.tag" -}}
{{- .image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- end -}}

{{/* Takes root, repository and tag. */}}
{{- define "practice.imageReference" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .repository }}:{{ .tag -}}
{{- end -}}

{{/* Takes a service. */}}
{{- define "practice.image" -}}
{{- include "practice.imageReference" (dict "root" .root "repository" (.image.repository | default .kind) "tag" (include "practice.tag" .)) -}}
{{- end -}}

{{/* Takes the top-level scope. */}}
{{- define "practice.clientTag" -}}
{{- .Values.client.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{- define "practice.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes root and args: the pod spec of the test, load and debug pods, less its restartPolicy. */}}
{{- define "practice.clientPod" -}}
{{- $resources := dict -}}
{{- include "practice.merge" (dict "into" $resources "from" .root.Values.client.resources) -}}
automountServiceAccountToken: false
{{- include "practice.pullSecrets" .root }}
securityContext:
  {{- toYaml .root.Values.defaults.podSecurityContext | nindent 2 }}
containers:
  - name: client
    image: {{ include "practice.imageReference" (dict "root" .root "repository" .root.Values.client.image.repository "tag" (include "practice.clientTag" .root)) }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    resources:
      {{- toYaml $resources | nindent 6 }}
    securityContext:
      {{- toYaml .root.Values.defaults.securityContext | nindent 6 }}
{{- end -}}
