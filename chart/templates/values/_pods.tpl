{{/*
What the containers and volumes that a pod is given have to say of each other.
*/}}

{{/* Takes the top-level scope: names and paths that a pod has once, mounts of what is not there, and what would have no effect. */}}
{{- define "practice.brokenPods" -}}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" -}}
{{- if .Values.names.appLabel }}{{ $own = append $own "app" }}{{ end -}}
{{- range $name, $service := .services -}}
{{- $containers := concat .initContainers .sidecars -}}
{{- $names := list $name -}}
{{- range $containers -}}
{{- if has .name $names }}
services.{{ $name }}.{{ has . $service.sidecars | ternary "sidecars" "initContainers" }}: a pod has one container called {{ .name }}. Rename one of them.
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $volumes := list -}}
{{- range .volumes -}}
{{- if has .name $volumes }}
services.{{ $name }}.volumes: a pod has one volume called {{ .name }}. Rename one of them.
{{- end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- $paths := list -}}
{{- range .volumeMounts -}}
{{- if has .mountPath $paths }}
services.{{ $name }}.volumeMounts: there are two at {{ .mountPath }}. Leave one.
{{- end -}}
{{- $paths = append $paths .mountPath -}}
{{- end -}}
{{- $mounts := .volumeMounts -}}
{{- range $containers }}{{ $mounts = concat $mounts (.volumeMounts | default list) }}{{ end -}}
{{- range $mounts -}}
{{- /* The last ones are the chart's own. */ -}}
{{- if not (or (has .name $volumes) (regexMatch "^(data|routes|credentials|.*-password)$" .name)) }}
services.{{ $name }}.volumeMounts: there is no volume {{ .name | quote }}, and there are: {{ $volumes | join ", " | default "none" }}. Add it to services.{{ $name }}.volumes, or correct the name.
{{- end -}}
{{- end -}}
{{- $user := merge (deepCopy .securityContext) .podSecurityContext -}}
{{- if and $user.runAsNonRoot (hasKey $user "runAsUser") (eq (int $user.runAsUser) 0) }}
services.{{ $name }}.podSecurityContext: runAsUser 0 is root, and with runAsNonRoot no container starts. Set another, or runAsNonRoot to false.
{{- end -}}
{{- range $label, $_ := .podLabels -}}
{{- if has $label $own }}
services.{{ $name }}.podLabels: {{ $label }} is the chart's own, by which pods are found. Call yours otherwise.
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := .Values.commonLabels -}}
{{- if has $label $own }}
commonLabels: {{ $label }} is the chart's own, by which pods are found. Call yours otherwise.
{{- end -}}
{{- end -}}
{{- range $account, $services := .accounts -}}
{{- $annotations := dict -}}
{{- range $service := $services -}}
{{- range $annotation, $value := .serviceAccount.annotations -}}
{{- if ne (get $annotations $annotation | default $value) $value }}
services.{{ $service.name }}.serviceAccount.annotations: {{ $annotation }} is another for others of the account {{ $account }}. Make them one, or name another account.
{{- end -}}
{{- $_ := set $annotations $annotation $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
