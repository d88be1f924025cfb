{{/*
Images, and the pods of the client's.
*/}}

{{/* Takes a service. */}}
{{- define "practice.tag" -}}
{{- .image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- end -}}

{{/* Takes root, repository, tag and digest. */}}
{{- define "practice.imageReference" -}}
{{- with dig "imageRegistry" "" (.root.Values.global | default dict) | default .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* Takes the top-level scope: digests, each of which is one image, that are given to others or besides one. */}}
{{- define "practice.brokenImages" -}}
{{- $all := dict "client" (dict "image" .Values.client.image) -}}
{{- $repositories := list -}}
{{- range $name, $service := .services -}}
{{- $_ := set $all (print "services." $name) . -}}
{{- if not .image.tag }}{{ $repositories = append $repositories (.image.repository | default .kind) }}{{ end -}}
{{- end -}}
{{- range $name, $store := .stores }}{{ $_ := set $all (print "stores." $name) . }}{{ end -}}
{{- if and (contains "@" .Values.image.tag) (gt (len (uniq $repositories)) 1) }}
image.tag: a digest is that of one image, and there are {{ uniq $repositories | sortAlpha | join ", " }}. Set services.<name>.image.digest.
{{- end -}}
{{- range $of, $it := $all -}}
{{- $tag := hasKey . "root" | ternary (.image.tag | default $.Values.image.tag) .image.tag -}}
{{- if and .image.digest (contains "@" $tag) }}
{{ $of }}.image.digest: the tag {{ $tag }} has one too. Leave one.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a service. */}}
{{- define "practice.image" -}}
{{- include "practice.imageReference" (dict "root" .root "repository" (.image.repository | default .kind) "tag" (include "practice.tag" .) "digest" .image.digest) -}}
{{- end -}}

{{/* Takes the top-level scope. */}}
{{- define "practice.clientTag" -}}
{{- .Values.client.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{- define "practice.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.image.pullSecrets (dig "imagePullSecrets" list (.Values.global | default dict)) -}}
{{- $names = append $names (kindIs "map" . | ternary (dig "name" "" (kindIs "map" . | ternary . dict)) .) -}}
{{- end -}}
{{- with uniq $names }}
imagePullSecrets:
{{- range . }}
  - name: {{ toYaml . }}
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
    image: {{ include "practice.imageReference" (dict "root" .root "repository" .root.Values.client.image.repository "tag" (include "practice.clientTag" .root) "digest" .root.Values.client.image.digest) }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    resources:
      {{- toYaml $resources | nindent 6 }}
    securityContext:
      {{- toYaml .root.Values.defaults.securityContext | nindent 6 }}
{{- end -}}
