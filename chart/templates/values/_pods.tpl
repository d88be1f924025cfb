{{/*
What the containers and volumes that a pod is given have to say of each other.
*/}}

{{/* Takes the top-level scope: names and paths that a pod has once, mounts of what is not there, and what would have no effect. */}}
{{- define "practice.brokenPods" -}}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "practice/kind" -}}
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
{{- $volume := . -}}
{{- $sources := list -}}
{{- range keys (omit . "name") | sortAlpha }}{{ if not (kindIs "invalid" (index $volume .)) }}{{ $sources = append $sources . }}{{ end }}{{ end -}}
{{- if gt (len $sources) 1 }}
services.{{ $name }}.volumes: {{ .name }} has {{ join " and " $sources }}, and a volume is one of them. Leave one.
{{- end -}}
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
{{- /* Not by merge, for which 0 and false are nothing. */ -}}
{{- $user := dict -}}
{{- range $context := list .podSecurityContext .securityContext }}{{ range $key, $value := $context }}{{ if not (kindIs "invalid" $value) }}{{ $_ := set $user $key $value }}{{ end }}{{ end }}{{ end -}}
{{- if and $user.runAsNonRoot (not (kindIs "invalid" $user.runAsUser)) (eq (int $user.runAsUser) 0) }}
services.{{ $name }}.{{ hasKey .securityContext "runAsUser" | ternary "securityContext" "podSecurityContext" }}: runAsUser 0 is root, and with runAsNonRoot no container starts. Set another, or runAsNonRoot to false.
{{- end -}}
{{- if and $user.privileged (eq (toString $user.allowPrivilegeEscalation) "false") }}
services.{{ $name }}.securityContext: privileged, and allowPrivilegeEscalation false, which Kubernetes refuses beside it. Set that to true.
{{- end -}}
{{- include "practice.brokenMaps" . -}}
{{- $sleep := dig "sleep" "seconds" 0 (.lifecycle.preStop | default dict) | int64 -}}
{{- $grace := int64 .lifecycle.terminationGracePeriodSeconds -}}
{{- if gt $sleep $grace }}
services.{{ $name }}.lifecycle.preStop: it sleeps {{ $sleep }} s, and Kubernetes takes no more than lifecycle.terminationGracePeriodSeconds {{ $grace }}. Set that to {{ $sleep }} or more, or preStop.sleep.seconds lower.
{{- end -}}
{{- range .tolerations -}}
{{- if and (eq (.operator | default "Equal") "Exists") .value }}
services.{{ $name }}.tolerations: Exists is of any value, and Kubernetes refuses {{ .value | quote }} beside it. Leave it out, or set operator to Equal.
{{- else if and (not .key) (ne (.operator | default "Equal") "Exists") }}
services.{{ $name }}.tolerations: one without a key is of all taints, and Kubernetes takes it with operator Exists alone. Set operator, or key.
{{- end -}}
{{- end -}}
{{- $spread := dict -}}
{{- range .topologySpreadConstraints -}}
{{- $constraint := print .topologyKey " " .whenUnsatisfiable -}}
{{- if hasKey $spread $constraint }}
services.{{ $name }}.topologySpreadConstraints: two are of {{ .topologyKey }} and {{ .whenUnsatisfiable }}, and Kubernetes takes one. Leave one.
{{- end -}}
{{- $_ := set $spread $constraint true -}}
{{- if and .minDomains (ne .whenUnsatisfiable "DoNotSchedule") }}
services.{{ $name }}.topologySpreadConstraints: minDomains counts with whenUnsatisfiable DoNotSchedule alone, and Kubernetes refuses it beside another. Leave it out.
{{- end -}}
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
{{- if eq $account "default" }}
services.{{ (first $services).name }}.serviceAccount.name: default is in every namespace already, and Helm takes it over with --take-ownership alone. Name another, or set create to false.
{{- end -}}
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

{{/*
Takes a service: what is missing in maps that Kubernetes wants whole, and what it wants once. The schema cannot say: it sees a service before it is merged with
defaults, and either may have the one half.
*/}}
{{- define "practice.brokenMaps" -}}
{{- $at := print "services." .name -}}
{{- $needs := dict "configMapKeyRef" (list "name" "key") "secretKeyRef" (list "name" "key") "fieldRef" (list "fieldPath") "resourceFieldRef" (list "resource") "exec" (list "command") "httpGet" (list "port") "tcpSocket" (list "port") "sleep" (list "seconds") -}}
{{- $one := dict -}}
{{- range $variable, $value := .env -}}
{{- if kindIs "map" $value }}{{ $_ := set $one (print $at ".env." $variable ".valueFrom") $value.valueFrom }}{{ end -}}
{{- end -}}
{{- range $hook := list "preStop" "postStart" -}}
{{- with index $.lifecycle $hook }}{{ $_ := set $one (print $at ".lifecycle." $hook) . }}{{ end -}}
{{- end -}}
{{- range $knob, $map := $one -}}
{{- if ne (len $map) 1 }}
{{ $knob }}: it has {{ keys $map | sortAlpha | join " and " | default "nothing" }}, and Kubernetes takes one. Leave one, and set what defaults have beside it to null.
{{- end -}}
{{- range $key, $inner := $map }}{{ include "practice.lacking" (dict "at" (print $knob "." $key) "map" $inner "keys" (index $needs $key | default list)) }}{{ end -}}
{{- end -}}
{{- range $context := list "podSecurityContext" "securityContext" -}}
{{- range $key, $profile := pick (index $ $context) "seccompProfile" "appArmorProfile" -}}
{{- $keys := eq (toString $profile.type) "Localhost" | ternary (list "localhostProfile") (list "type") -}}
{{- include "practice.lacking" (dict "at" (print $at "." $context "." $key) "map" $profile "keys" $keys) -}}
{{- end -}}
{{- end -}}
{{- $required := "requiredDuringSchedulingIgnoredDuringExecution" -}}
{{- range $key, $map := pick (index .affinity "nodeAffinity" | default dict) $required -}}
{{- include "practice.lacking" (dict "at" (print $at ".affinity.nodeAffinity." $key) "map" $map "keys" (list "nodeSelectorTerms")) -}}
{{- end -}}
{{- end -}}

{{/* Takes at (the knob), map, and keys: those that it lacks. */}}
{{- define "practice.lacking" -}}
{{- range .keys -}}
{{- $value := index $.map . -}}
{{- if or (kindIs "invalid" $value) (has (toString $value) (list "" "[]")) }}
{{ $.at }}: it lacks {{ . }}, without which Kubernetes refuses it. Give it one.
{{- end -}}
{{- end -}}
{{- end -}}
