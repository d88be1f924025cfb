{{/*
How many pods there are, and how many may be missing.
*/}}

{{/* Takes a service: the pods that are always wanted. */}}
{{- define "practice.pods" -}}
{{- ternary .autoscaling.minReplicas .replicas .autoscaling.enabled | int -}}
{{- end -}}

{{/*
Takes a service, and gives it wanted, the number of pods that its Deployment says, and kept, whether that is what it was: nobody asked
for another number when the autoscaler was switched on or off. Without wanted the autoscaler owns the number.
*/}}
{{- define "practice.setReplicas" -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $live := lookup "apps/v1" "Deployment" $namespace (include "practice.name" .) -}}
{{- $number := dig "spec" "replicas" nil $live -}}
{{- if .autoscaling.enabled -}}
{{- /*
What Helm said before and says no more is gone, and 1 is what is left (of a patch and of server-side apply). So it says what is, until
the autoscaler has changed it, which makes the number its own. A patch (helm upgrade --server-side=false, Helm 3) asks no owner.
*/ -}}
{{- $helm := false -}}
{{- $others := false -}}
{{- $patched := false -}}
{{- range dig "metadata" "managedFields" list $live -}}
{{- $owns := hasKey (index (.fieldsV1 | default dict) "f:spec" | default dict) "f:replicas" -}}
{{- if ne .manager "helm" }}{{ $others = or $others $owns }}{{ else }}{{ $helm = or $helm $owns }}{{ $patched = or $patched (ne .operation "Apply") }}{{ end -}}
{{- end -}}
{{- if or $patched (and $helm (not $others)) }}{{ $_ := set . "wanted" $number }}{{ end -}}
{{- else -}}
{{- $before := dig "metadata" "annotations" "practice/kept-from" "" $live -}}
{{- $asked := hasKey (index .root.Values.services .name) "replicas" -}}
{{- $scaler := include "practice.hpaName" . -}}
{{- if and (not $asked) $number (ne (int $number) (int .replicas)) (or (eq $before (toString (int .replicas))) (lookup "autoscaling/v2" "HorizontalPodAutoscaler" $namespace $scaler)) -}}
{{- $_ := set . "kept" true -}}
{{- end -}}
{{- $_ := set . "wanted" (ternary $number .replicas (.kept | default false)) -}}
{{- end -}}
{{- end -}}

{{/* Takes a service. */}}
{{- define "practice.hpaName" -}}
{{- include "practice.name" (dict "root" .root "name" (print .name .root.Values.names.hpaSuffix)) -}}
{{- end -}}

{{/* Takes value (a count or a percentage), pods and round (ceil or floor): how many pods that is. */}}
{{- define "practice.count" -}}
{{- $value := toString .value -}}
{{- if hasSuffix "%" $value -}}
{{- $share := mulf (trimSuffix "%" $value | float64) .pods -}}
{{- ternary (ceil (divf $share 100)) (floor (divf $share 100)) (eq .round "ceil") | int -}}
{{- else -}}
{{- int .value -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope. */}}
{{- define "practice.brokenScaling" -}}
{{- range $name, $service := .services -}}
{{- with .strategy -}}
{{- $surge := include "practice.count" (dict "value" .maxSurge "pods" 100 "round" "ceil") -}}
{{- $missing := include "practice.count" (dict "value" .maxUnavailable "pods" 100 "round" "floor") -}}
{{- if and (eq .type "RollingUpdate") (eq $surge "0") (eq $missing "0") }}
services.{{ $name }}.strategy: maxSurge {{ .maxSurge }} and maxUnavailable {{ .maxUnavailable }} leave a rollout no pod to start and none to stop. Set maxSurge to 1.
{{- end -}}
{{- end -}}
{{- with .autoscaling -}}
{{- if .enabled -}}
{{- $own := index $.Values.services $name -}}
{{- if hasKey $own "replicas" }}
services.{{ $name }}.replicas: {{ int $own.replicas }} pods are asked for, and autoscaling keeps {{ int .minReplicas }} to {{ int .maxReplicas }}. Set autoscaling.minReplicas instead, or autoscaling.enabled to false.
{{- end -}}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
services.{{ $name }}.autoscaling: minReplicas {{ int .minReplicas }} is above maxReplicas {{ int .maxReplicas }}. Set maxReplicas to {{ int .minReplicas }} or more.
{{- end -}}
{{- $targets := dict "cpu" .targetCPUUtilizationPercentage "memory" .targetMemoryUtilizationPercentage -}}
{{- if and (kindIs "invalid" $targets.cpu) (kindIs "invalid" $targets.memory) (not .metrics) }}
services.{{ $name }}.autoscaling: enabled without a target, so there is nothing to scale by. Set targetCPUUtilizationPercentage.
{{- end -}}
{{- range .metrics -}}
{{- $block := print (substr 0 1 .type | lower) (substr 1 -1 .type) -}}
{{- if not (index . $block) }}
services.{{ $name }}.autoscaling.metrics: one of the type {{ .type }} has no {{ $block }}, which says what is counted. Give it one.
{{- end -}}
{{- with .containerResource -}}
{{- $containers := list $name -}}
{{- range $service.sidecars }}{{ $containers = append $containers .name }}{{ end -}}
{{- range $service.initContainers }}{{ if eq (.restartPolicy | default "") "Always" }}{{ $containers = append $containers .name }}{{ end }}{{ end -}}
{{- if not (has .container $containers) }}
services.{{ $name }}.autoscaling.metrics: the pod has no container {{ .container | quote }}, so there is nothing to count. It has {{ $containers | join ", " }}.
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $resource, $target := $targets -}}
{{- range prepend $service.sidecars $service -}}
{{- /* Kubernetes takes a limit for the request where there is none, and a request of 0 for one. */ -}}
{{- $resources := .resources | default dict -}}
{{- $request := dig "requests" $resource nil $resources -}}
{{- if kindIs "invalid" $request }}{{ $request = dig "limits" $resource nil $resources }}{{ end -}}
{{- if not (or (kindIs "invalid" $target) (and $request (ne (include "practice.thousandths" $request) "0"))) }}
services.{{ $name }}.autoscaling: the target is {{ int $target }} % of the {{ $resource }} request, and the container {{ .name }} requests none, so the autoscaler sees <unknown>. Set resources.requests.{{ $resource }}.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $pods := include "practice.pods" . | int -}}
{{- with .podDisruptionBudget -}}
{{- $most := not (kindIs "invalid" .maxUnavailable) -}}
{{- $least := not (kindIs "invalid" .minAvailable) -}}
{{- if not .enabled -}}
{{- else if eq $most $least }}
services.{{ $name }}.podDisruptionBudget: {{ ternary 2 0 $most }} of maxUnavailable and minAvailable are set, and Kubernetes takes exactly 1. Set the other to null.
{{- else if and $most (eq (include "practice.count" (dict "value" .maxUnavailable "pods" 100 "round" "ceil")) "0") }}
services.{{ $name }}.podDisruptionBudget: maxUnavailable {{ .maxUnavailable }} lets no pod go, and a drain would wait for ever. Set it to 1.
{{- else if and $least (gt $pods 0) (ge (include "practice.count" (dict "value" .minAvailable "pods" $pods "round" "ceil") | int) $pods) }}
services.{{ $name }}.podDisruptionBudget: minAvailable {{ include "practice.text" .minAvailable }} of {{ $pods }} pods lets none go, and a drain would wait for ever. Set minAvailable lower, or use maxUnavailable 1.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
